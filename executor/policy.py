"""What a sandbox may do: one object, whatever the engine."""

import json
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

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
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
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What tells of the host, or could change it, as Docker 28 has it. A Docker engine is left its
own lists, which may be longer."""

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

        Docker takes that as well. It is Docker's own default list for a container without
        capabilities, less io_uring.
        """
        return _seccomp()

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
def _seccomp() -> dict[str, Any]:
    return json.loads(SECCOMP_FILE.read_text())
