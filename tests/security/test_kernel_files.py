"""Cases 28 to 30: devices, and what the kernel shows and lets be set in /proc and /sys."""

from pathlib import Path

import pytest

from tests.live.running_service_caller import Caller
from tests.security.attacks import REFUSED, attack, other_than, tried

pytestmark = pytest.mark.docker

NOT_THERE = REFUSED | {"ENOENT", "ENOTDIR", "ENXIO", "ENODEV"}
NOT_TO_BE_WRITTEN = NOT_THERE | {"EROFS"}


@pytest.mark.case(28)
def test_no_device_is_there_nor_can_one_be_made(attacker: Caller) -> None:
    wanted = (
        *("mem", "kmem", "port", "kmsg", "kvm", "fuse", "console", "net/tun", "loop-control"),
        *(
            "sda",
            "vda",
            "nvme0n1",
            "dm-0",
            "mapper/control",
            "vhost-net",
            "vsock",
            "sgx_enclave",
        ),
        *("dri/card0", "nvidia0", "nvidiactl", "uinput", "input/event0", "snd/timer", "hpet"),
    )
    words = tried(
        attacker,
        {f"open {name}": f"os.open('/dev/{name}', os.O_RDONLY)" for name in wanted}
        | {
            f"make {kind} {major}:{minor} in {folder}": (
                f"made('{folder}/made', {mode | 0o600}, os.makedev({major}, {minor}))"
            )
            for folder in ("/mnt/data", "/tmp", "/dev/shm", "/dev", "/run/build")
            for kind, mode, major, minor in (
                ("block", 0o060000, 254, 0),
                ("block", 0o060000, 8, 0),
                ("character", 0o020000, 1, 1),
                ("character", 0o020000, 1, 3),
            )
        },
        """
def made(path, mode, device):
    os.mknod(path, mode, device)
    return os.open(path, os.O_RDONLY)
""",
    )
    listed = attack(attacker, "ls -A /dev", lang="bash")["stdout"].split()

    assert other_than(NOT_TO_BE_WRITTEN, words) == {}
    harmless = (
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    )
    assert set(listed) <= set(harmless.split())


@pytest.mark.case(29)
def test_nothing_is_told_of_the_kernels_insides(attacker: Caller) -> None:
    words = tried(
        attacker,
        {path: f"read('{path}')" for path in ("/proc/kcore", "/proc/kmsg", "/dev/kmsg")}
        | {path: f"read('{path}')" for path in ("/proc/keys", "/proc/timer_list")}
        | {path: f"read('{path}')" for path in ("/proc/vmallocinfo", "/proc/slabinfo")}
        | {
            path: f"os.listdir('{path}')"
            for path in (
                *("/sys/firmware", "/sys/kernel", "/proc/acpi", "/proc/scsi"),
                *("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security"),
            )
        }
        | {
            "sysrq": "write('/proc/sysrq-trigger', b'h')",
            "log": "syscall(103, 3, bytes(4096), 4096)",
            "log, its size": "syscall(103, 10, None, 0)",
            "addresses": "but('0' * 16, '/proc/kallsyms')",
            "modules": "but('0x' + '0' * 16, '/proc/modules')",
            "memory": "but('00000000-00000000', '/proc/iomem')",
        },
        """
def but(nothing, path):
    # The lines that tell another address than none.
    return [line for line in open(path) if nothing not in line]
""",
    )

    nothing = {"done: []", "done: b''"}
    assert other_than(NOT_TO_BE_WRITTEN | nothing, words) == {}


@pytest.mark.case(30)
def test_no_switch_of_the_kernel_can_be_turned(attacker: Caller) -> None:
    switches = (
        *("kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/sysrq"),
        *("vm/overcommit_memory", "vm/drop_caches", "fs/binfmt_misc/register", "fs/file-max"),
        *(
            "net/ipv4/ip_forward",
            "user/max_user_namespaces",
            "kernel/unprivileged_bpf_disabled",
        ),
    )
    before = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8")
    groups = """
import glob
def of_each(pattern, data=b"1"):
    written = []
    for path in glob.glob(pattern):
        try:
            written.append((path, write(path, data)))
        except OSError as error:
            pass
    return written
def make_each(pattern):
    made = []
    for path in glob.glob(pattern):
        try:
            made.append(os.mkdir(path + "/attack") or path)
        except OSError as error:
            pass
    return made
"""
    words = tried(
        attacker,
        {f"/proc/sys/{name}": f"write('/proc/sys/{name}', b'|/tmp/x')" for name in switches}
        | {
            "not to be killed for memory": "write('/proc/self/oom_score_adj', b'-1000')",
            "nor the supervisor": "write('/proc/1/oom_score_adj', b'-1000')",
            "uevent_helper": "write('/sys/kernel/uevent_helper', b'/tmp/x')",
            "profiling": "write('/sys/kernel/profiling')",
            "another scheduler": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
            "not nice": "os.nice(-5)",
            "release_agent": "of_each('/sys/fs/cgroup/**/release_agent', b'/tmp/x')",
            "cgroup.procs": "of_each('/sys/fs/cgroup/**/cgroup.procs', b'0')",
            "limits": "of_each('/sys/fs/cgroup/**/*limit_in_bytes', b'-1')",
            "limits, v2": "of_each('/sys/fs/cgroup/**/*.max', b'max')",
            "a group of its own": "make_each('/sys/fs/cgroup/**')",
        },
        groups,
    )

    assert other_than(NOT_TO_BE_WRITTEN | {"done: []"}, words) == {}
    assert Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8") == before


@pytest.mark.case(30)
@pytest.mark.runsc
def test_nor_is_it_from_bash(attacker: Caller) -> None:
    code = """
        for path in /proc/sys/kernel/* /proc/sys/vm/* /sys/kernel/* /sys/fs/cgroup/* \\
            /sys/fs/cgroup/*/* /proc/sysrq-trigger; do
            [ -f "$path" ] && { echo 1 > "$path"; } 2>/dev/null && echo "$path"
        done
        exit 0
        """
    answer = attack(attacker, code, lang="bash")

    assert (answer["stdout"], answer["code"]) == ("", 0)
