"""Cases 21 to 25: which doors of the kernel are open."""

from pathlib import Path

import pytest

from tests.live.running_service_caller import Caller
from tests.security.attacks import REFUSED, attack, other_than, tried

pytestmark = pytest.mark.docker

OTHER_DOORS = Path(__file__).parent / "programs" / "other_doors.c"


@pytest.mark.case(21)
@pytest.mark.case(22)
@pytest.mark.case(24)
def test_no_other_door_leads_into_the_kernel(attacker: Caller) -> None:
    """Of a kernel without 32-bit programs, `int 0x80` is a fault."""
    answer = attack(attacker, OTHER_DOORS.read_text(encoding="utf-8"), lang="c")

    assert (answer["code"], answer["stderr"]) == (0, "")
    tried_calls = [line.split() for line in answer["stdout"].splitlines()]
    assert len(tried_calls) == 53
    shut = {"EPERM", "ENOSYS", "EAFNOSUPPORT", "SIGSYS", "SIGSEGV"}
    assert [line for line in tried_calls if line[2] not in shut] == []


@pytest.mark.case(22)
def test_no_part_of_the_kernel_that_few_need_can_be_asked(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "io_uring_setup": "syscall(425, 1, bytes(120))",
            "io_uring_enter": "syscall(426, 0, 0, 0, 0, None, 0)",
            "io_uring_register": "syscall(427, -1, 0, None, 0)",
            "userfaultfd": "syscall(323, 1)",
            "/dev/userfaultfd": "os.open('/dev/userfaultfd', os.O_RDWR)",
            "bpf, a map": "syscall(321, 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(56), 72)",
            "bpf, a program": "syscall(321, 5, bytes(72), 72)",
            "perf_event_open": "syscall(298, b'\\1' + bytes(127), 0, -1, -1, 0)",
            "add_key": "syscall(248, b'user', b'attack', b'x', 1, -3)",
            "request_key": "syscall(249, b'user', b'attack', None, -3)",
            "keyctl, session": "syscall(250, 1, None)",
            "keyctl, of the user": "syscall(250, 0, -4, 1)",
            "kexec_load": "syscall(246, 0, 0, None, 0)",
            "kexec_file_load": "syscall(320, 0, 0, 1, b'', 0)",
            "init_module": "syscall(175, bytes(64), 64, b'')",
            "finit_module": "syscall(313, os.open('/bin/true', os.O_RDONLY), b'', 0)",
            "delete_module": "syscall(176, b'overlay', 0)",
            "open_by_handle_at": "syscall(304, os.open('/', 0), b'\\x08' + bytes(15), 0)",
            "fanotify_init": "syscall(300, 0, 0)",
            "quotactl": "syscall(179, 0x800007 << 8, b'/dev/sda', 0, bytes(64))",
            "acct": "syscall(163, b'/tmp/acct')",
            "reboot": "syscall(169, 0xfee1dead, 672274793, 0, None)",
            "swapon": "syscall(167, b'/tmp/swap', 0)",
            "iopl": "syscall(172, 3)",
            "clock_settime": "syscall(227, 0, bytes(16))",
            "sethostname": "syscall(170, b'attack', 6)",
            "settimeofday": "syscall(164, bytes(16), None)",
            "lookup_dcookie": "syscall(212, 1, bytes(64), 64)",
            "bpf, in disguise": "syscall(321 | 1 << 32, 5, bytes(72), 72)",
        },
        in_children=True,
    )

    assert other_than({*REFUSED, "ENOENT"}, words) == {}


@pytest.mark.case(23)
def test_no_other_process_can_be_looked_into(attacker: Caller) -> None:
    """Neither the supervisor, nor the process that it keeps ready beside the program."""
    helpers = """
names = os.listdir("/proc")
others = [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)

def of_each(attempt):
    reached = []
    for pid in others:
        try:
            reached.append((pid, attempt(pid)))
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
                reached.append((pid, errno.errorcode[error.errno]))
    return reached
"""
    files = ("mem", "environ", "maps", "auxv", "syscall", "stack", "pagemap", "fd", "map_files")
    links = ("root", "cwd", "exe", "ns/mnt", "ns/user", "fd/0", "fd/1")
    words = tried(
        attacker,
        {
            "who is there": "sorted(others)[0]",
            "attach": "of_each(lambda pid: syscall(101, 16, pid, 0, 0))",
            "seize": "of_each(lambda pid: syscall(101, 0x4206, pid, 0, 0))",
            "read": "of_each(lambda pid: syscall(310, pid, vector, 1, vector, 1, 0))",
            "write": "of_each(lambda pid: syscall(311, pid, vector, 1, vector, 1, 0))",
            "a descriptor": "of_each(lambda pid: syscall(438, os.pidfd_open(pid), 1, 0))",
            "compare": "of_each(lambda pid: syscall(312, pid, pid, 0, 0, 1))",
            "advise": "of_each(lambda pid: syscall(440, os.pidfd_open(pid), vector, 1, 4, 0))",
            "mem, to write": "of_each(lambda pid: os.open(f'/proc/{pid}/mem', os.O_RDWR))",
        }
        | {
            name: f"of_each(lambda pid: read(f'/proc/{{pid}}/{name}'))"
            for name in files
            if name not in {"fd", "map_files"}
        }
        | {
            name: f"of_each(lambda pid: os.listdir(f'/proc/{{pid}}/{name}'))"
            for name in ("fd", "map_files")
        }
        | {
            name: f"of_each(lambda pid: os.readlink(f'/proc/{{pid}}/{name}'))" for name in links
        },
        helpers,
    )

    assert words.pop("who is there") == "done: 1"
    assert other_than({"done: []"}, words) == {}


@pytest.mark.case(24)
def test_no_namespace_can_be_made_or_entered(attacker: Caller) -> None:
    flags = {
        "time": 0x80,
        "mount": 0x20000,
        "cgroup": 0x2000000,
        "names": 0x4000000,
        "messages": 0x8000000,
        "user": 0x10000000,
        "processes": 0x20000000,
        "network": 0x40000000,
    }
    words = tried(
        attacker,
        {f"unshare, {name}": f"syscall(272, {flag})" for name, flag in flags.items()}
        # 0x80 is no namespace to clone, but a part of the signal's number.
        | {
            f"clone, {name}": f"syscall(56, {flag | 17}, 0, 0, 0, 0)"
            for name, flag in flags.items()
            if name != "time"
        }
        | {
            "clone, user and network": "syscall(56, 0x50000000 | 17, 0, 0, 0, 0)",
            "clone, in disguise": f"syscall(56, {1 << 32 | 0x10000000 | 17}, 0, 0, 0, 0)",
            "clone3": "syscall(435, struct.pack('Q', 0x10000000) + bytes(80), 88)",
            "clone3, without": "syscall(435, bytes(32) + struct.pack('Q', 17) + bytes(48), 88)",
            "setns": "syscall(308, os.open('/proc/self/ns/mnt', 0), 0)",
            "setns, by process": "syscall(308, os.pidfd_open(1), 0x20000000)",
            "uid_map": "write('/proc/self/uid_map', b'0 0 1')",
        },
        in_children=True,
    )

    assert other_than(REFUSED | {"EROFS"}, words) == {}


@pytest.mark.case(25)
def test_nothing_can_be_mounted_and_the_root_not_be_left(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "tmpfs": "syscall(165, b'none', b'/tmp', b'tmpfs', 0, None)",
            "proc": "syscall(165, b'proc', b'/tmp', b'proc', 0, None)",
            "cgroup": "syscall(165, b'cgroup', b'/tmp', b'cgroup', 0, b'memory')",
            "fuse": "syscall(165, b'x', b'/tmp', b'fuse', 0, b'fd=0,rootmode=40000')",
            "bind": "syscall(165, b'/', b'/tmp', None, 0x1000, None)",
            "remount": "syscall(165, None, b'/', None, 0x1020, None)",
            "propagation": "syscall(165, None, b'/', None, 0x104000, None)",
            "umount": "syscall(166, b'/proc/keys', 2)",
            "pivot_root": "syscall(155, b'/tmp', b'/tmp')",
            "chroot": "syscall(161, b'/tmp')",
            "fsopen": "syscall(430, b'tmpfs', 0)",
            "fspick": "syscall(433, -100, b'/', 0)",
            "fsmount": "syscall(432, 0, 0, 0)",
            "open_tree": "syscall(428, -100, b'/', 1)",
            "move_mount": "syscall(429, -100, b'/tmp', -100, b'/mnt/data', 0)",
            "mount_setattr": "syscall(442, -100, b'/', 0, bytes(32), 32)",
            "the way up": "os.stat('/..').st_ino == os.stat('/').st_ino or 1 / 0",
        },
        in_children=True,
    )

    assert words.pop("the way up") == "done: True"
    assert other_than(REFUSED, words) == {}
