"""Case 31: what others run cannot be changed."""

import json

import pytest

from tests.live.running_service_caller import Caller
from tests.security.attacks import Attack, attack_at_once, other_than, tried
from tests.security.conftest import RUNTIME

pytestmark = pytest.mark.docker

PRECIOUS = """
import glob, hashlib, json, os, site, sys
paths = [os.path.realpath(sys.executable), "/bin/bash", "/etc/passwd", "/etc/ld.so.cache",
         json.__file__, *glob.glob("/lib/x86_64-linux-gnu/libc.so.6"),
         *glob.glob("/opt/code-command/supervisor/*.py")]
"""

HASHES = PRECIOUS + (
    "print(json.dumps({path: hashlib.sha256(open(path, 'rb').read()).hexdigest()"
    " for path in paths}))"
)

HELPERS = (
    PRECIOUS
    + """
import mmap, shutil

def each(attempt):
    done = []
    for path in paths:
        try:
            done.append((path, repr(attempt(path))))
        except (OSError, ValueError):
            pass
    return done

def opened_again(path):
    # What was opened for reading, by its place among the descriptors.
    return write(f"/proc/self/fd/{os.open(path, os.O_RDONLY)}", b"x")

def mapped(path, flags):
    descriptor = os.open(path, os.O_RDONLY)
    rights = mmap.PROT_READ | mmap.PROT_WRITE
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size, flags, rights)
    memory[:4] = b"evil"
    memory.flush()
    return "written" if flags == mmap.MAP_SHARED else None

def through_a_pipe(path):
    # Dirty Pipe (CVE-2022-0847): a page that is spliced is written to as if it were the pipe's.
    reader, writer = os.pipe()
    os.write(writer, bytes(65536)), os.read(reader, 65536)
    os.splice(os.open(path, os.O_RDONLY), writer, 1, offset_src=0)
    os.write(writer, b"evil")
    return None

def through_own_memory(path):
    # Dirty COW (CVE-2016-5195) by /proc/self/mem: the page that is written is a private one.
    descriptor = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(descriptor, 4, mmap.MAP_PRIVATE, mmap.PROT_READ)
    place = next(line for line in open("/proc/self/maps") if line.rstrip().endswith(path))
    with open("/proc/self/mem", "r+b", buffering=0) as own:
        own.seek(int(place.partition("-")[0], 16))
        own.write(b"evil")
    return None
"""
)


def hashes(caller: Caller) -> dict[str, str]:
    (answer,) = attack_at_once(caller, Attack(HASHES))
    found = json.loads(answer["stdout"])
    assert len(found) > 10
    return found


@pytest.mark.case(31)
def test_what_everybody_runs_stays_as_it_is(attacker: Caller, victim: Caller) -> None:
    before = hashes(victim)
    folders = (
        "/",
        "/etc",
        "/usr/lib",
        "/opt/python/lib",
        "/opt/code-command",
        "/var/tmp",
        "/run",
    )
    words = tried(
        attacker,
        {
            "its own interpreter (CVE-2019-5736)": "write('/proc/self/exe', b'#!/tmp/x')",
            "the supervisor's": "write('/proc/1/exe', b'#!/tmp/x')",
            "write": "each(lambda path: write(path, b'x'))",
            "append": "each(lambda path: os.open(path, os.O_WRONLY | os.O_APPEND))",
            "truncate": "each(lambda path: os.truncate(path, 0) or 1)",
            "open again": "each(opened_again)",
            "map": "each(lambda path: mapped(path, mmap.MAP_SHARED))",
            "replace": "each(lambda path: os.replace('main.py', path) or 1)",
            "remove": "each(lambda path: os.unlink(path) or 1)",
            "rename": "each(lambda path: os.rename(path, path + 'x') or 1)",
            "mode": "each(lambda path: os.chmod(path, 0o777) or 1)",
            "owner": "each(lambda path: os.chown(path, os.getuid(), -1) or 1)",
            "times": "each(lambda path: os.utime(path) or 1)",
            "attribute": "each(lambda path: os.setxattr(path, 'user.x', b'1') or 1)",
            "link": "each(lambda path: os.link(path, '/mnt/data/link') or 1)",
            "ld.so.preload": "os.open('/etc/ld.so.preload', os.O_CREAT | os.O_WRONLY)",
            "sitecustomize": (
                "os.open(site.getsitepackages()[0] + '/sitecustomize.py',"
                " os.O_CREAT | os.O_WRONLY)"
            ),
            "a path": (
                "os.open(site.getsitepackages()[0] + '/x.pth', os.O_CREAT | os.O_WRONLY)"
            ),
        }
        | {
            f"new in {folder}": f"os.open('{folder}/x', os.O_CREAT | os.O_WRONLY)"
            for folder in folders
        },
        HELPERS,
    )

    refused = {"EROFS", "EACCES", "EPERM", "ETXTBSY", "done: []"}
    assert other_than(refused, words) == {}
    assert hashes(victim) == before


@pytest.mark.case(31)
def test_nor_does_it_change_by_way_of_the_page_cache(attacker: Caller, victim: Caller) -> None:
    before = hashes(victim)
    words = tried(
        attacker,
        {
            "a private copy": "len(each(lambda path: mapped(path, mmap.MAP_PRIVATE)))",
            "Dirty Pipe": "len(each(through_a_pipe))",
            "Dirty COW": "len(each(through_own_memory))",
        },
        HELPERS,
    )

    # They did something, and it was to pages of their own; gVisor has no /proc/self/mem.
    done = dict.fromkeys(words, f"done: {len(before)}")
    assert words == (done | {"Dirty COW": "done: 0"} if RUNTIME == "runsc" else done)
    assert hashes(victim) == before


@pytest.mark.case(31)
def test_three_folders_can_be_written_and_no_others(attacker: Caller) -> None:
    code = """
        find / -xdev -type d -writable 2>/dev/null | while read -r folder; do
            { : > "$folder/x"; } 2>/dev/null && echo "$folder"
        done
        for file in /etc/passwd /etc/hosts /etc/hostname /etc/resolv.conf /mnt/shared/x; do
            { echo x >> $file; } 2>/dev/null && echo $file
        done
        exit 0
        """
    (answer,) = attack_at_once(attacker, Attack(code, "bash"))

    assert answer["code"] == 0
    assert sorted(answer["stdout"].split()) == ["/mnt/data", "/run/build", "/tmp"]
