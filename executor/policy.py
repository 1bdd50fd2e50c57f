"""What a sandbox may do: one object, whatever the engine."""

import json
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from executor.settings import MIB, ExecutorSettings
from sandbox.supervisor.languages import BUILD

TMP_BYTES = 64 * MIB
"""Size of `/tmp`. The reference gives 20 MB (librechat-contract 6.1); matplotlib, graphviz and
pip-less tools keep scratch files there."""

SHM_BYTES = 16 * MIB
MAX_PROCESSES = 50
"""Processes and threads of a sandbox, its supervisor's included: what bounds a fork bomb. The
reference allows 64 (librechat-contract 6.1); every language passes its tests with these."""

GVISOR_TASKS = 10 * MAX_PROCESSES
"""The same limit as the host counts it, where gVisor's kernel is a process itself: that has 40
to 60 threads of its own, and each process of the program takes three and, while it starts, a
few more. With 50 no sandbox lives until its first program; with 250, twenty children that are
started at once end it now and then, with 500 forty never did. Threads cost the host none."""

MAX_INODES = 20_000
"""Of the workspace, and of `/tmp`: a million empty files would otherwise cost a gigabyte of
kernel memory and minutes of collecting."""

CPU_PERIOD_US = 1_000_000
"""The scheduler's longest period: a short job runs at full speed on its credit. A chart took
0.15-0.19 s against 0.23-0.31 s with the default of 100 ms, at the same average."""

WORKSPACE = "/mnt/data"
BUILD_BYTES = 64 * MIB
"""Size of the folder that programs are compiled to. Go's are the largest: 2 to 10 MB, and as
much again while they are linked."""
SHARED = "/mnt/shared"
HOSTNAME = "sandbox"

MAX_OPEN_FILES = 2048
"""Of one process (librechat-contract 6.1). It is a run's own limit, too (`RunLimits`)."""

OOM_SCORE = 500
"""When the whole host runs out of memory, sandboxes end before its services (proc(5),
`oom_score_adj`). Programs are at 1000, before their supervisor; an engine that has
CAP_SYS_RESOURCE lets none get below this again."""

MASKED_PATHS = (
    # As Docker 29 has it,
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    # and what else tells which kernel and machine this is: symbols, parts, start, tuning.
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/kallsyms",
    "/proc/key-users",
    "/proc/modules",
    "/sys/devices/virtual/dmi",
    "/sys/kernel",
    "/sys/module",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What tells of the host, or could change it. A path that this kernel does not have is passed
over."""

THERMAL_PATHS = "cpu[0-9]*/thermal_throttle"
"""Of each processor; the counters tell of neighbours' work (GHSA-6fw5-f8r9-fgfm)."""

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}

SECCOMP_FILE = Path(__file__).resolve().parent.parent / "sandbox" / "seccomp.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPolicy:
    """Limits and isolation of every sandbox of an executor."""

    image: str
    runtime: str
    cpus: float
    memory_bytes: int
    """All the memory that the cgroup may use: the programs', and what tmpfs mounts hold, for
    the kernel charges those to the same cgroup. Swap is none on top."""
    workspace_bytes: int

    @classmethod
    def from_settings(cls, settings: ExecutorSettings) -> "SandboxPolicy":
        """Derive the policy from what the operator set."""
        return cls(
            image=settings.sandbox_image,
            runtime=settings.sandbox_runtime,
            cpus=settings.cpu_limit,
            memory_bytes=settings.memory_limit + settings.workspace_size_limit,
            workspace_bytes=settings.workspace_size_limit,
        )

    @staticmethod
    def seccomp() -> dict[str, Any]:
        """Return which system calls a program may make, in the OCI specification's form.

        Docker takes that as well. `sandbox/syscalls.py` has the reasons.
        """
        return _seccomp()

    @property
    def file_bytes(self) -> int:
        """Most bytes of one file: as many as the largest place that it can be in.

        Sparse files are what it stops, which take no room and announce a terabyte.
        """
        return max(self.workspace_bytes, BUILD_BYTES, TMP_BYTES)

    def process_limits(self) -> dict[str, int]:
        """Return limits of each process by their names in getrlimit(2), less `RLIMIT_`.

        None can be raised. Processes, memory and processor time are the cgroup's to count:
        there, many processes have no more than one.
        """
        return {"CORE": 0, "FSIZE": self.file_bytes, "NOFILE": MAX_OPEN_FILES}

    @property
    def cpu_quota_us(self) -> int:
        """Microseconds of processor time in each period."""
        return int(self.cpus * CPU_PERIOD_US)

    @property
    def tasks(self) -> int:
        """Most processes and threads in the sandbox's cgroup."""
        return GVISOR_TASKS if is_gvisor(self.runtime) else MAX_PROCESSES

    def tmpfs_mounts(self, uid: int) -> dict[str, str]:
        """Return mount points and options.

        Programs may be executed from the workspace (scripts, downloads) and from the folder
        that they are compiled to, not from `/tmp`; none of the three knows devices or setuid.
        """
        common = f"rw,nosuid,nodev,uid={uid},gid={uid},mode=0700,nr_inodes={MAX_INODES}"
        return {
            WORKSPACE: f"{common},exec,size={self.workspace_bytes}",
            BUILD: f"{common},exec,size={BUILD_BYTES}",
            "/tmp": f"{common},noexec,size={TMP_BYTES}",  # noqa: S108 - the sandbox's own
        }


def is_gvisor(runtime: str) -> bool:
    """Tell by its name, as engines call it by default, whether a runtime is gVisor's."""
    return "runsc" in runtime or "gvisor" in runtime


@cache
def masked_paths() -> tuple[str, ...]:
    """Return what a sandbox of this machine finds empty."""
    processors = Path("/sys/devices/system/cpu")
    return (*MASKED_PATHS, *map(str, sorted(processors.glob(THERMAL_PATHS))))


@cache
def _seccomp() -> dict[str, Any]:
    profile = json.loads(SECCOMP_FILE.read_text())
    # The native one is in the list anyway. But only where it has a name does runc answer calls
    # that are newer than its libseccomp with ENOSYS, on which glibc tries an older one: with
    # EPERM, `chmod` without following links failed (runc 1.1.5, glibc 2.41).
    native = _ARCHITECTURES.get(platform.machine())
    return profile | ({"architectures": [native]} if native else {})
