"""Cases 37 to 41 and 43: what a program leaves behind to be taken for something else."""

import time
from typing import Any

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

MIB = 1 << 20

ANSWERED_WITHIN_S = 10.0

LINKS = """
import os
targets = {
    'passwd.txt': '/etc/passwd',
    'environ.txt': '/proc/self/environ',
    'supervisor.txt': '/proc/1/environ',
    'memory.bin': '/proc/1/mem',
    'descriptor.bin': '/proc/self/fd/0',
    'everything': '/',
    'up': '..',
    'shared': '/mnt/shared',
    'other_session': '../../tmp',
    'loop.txt': 'loop.txt',
    'nowhere.txt': '/nowhere',
    'given.txt': '/etc/hostname',
}
os.remove('given.txt')
for name, target in targets.items():
    os.symlink(target, name)
open('own.txt', 'w').write('own')
"""

SWAP = """
import ctypes, os, pathlib, signal, sys

TRIES = 10_000
AT_FDCWD, EXCHANGE = -100, 2
libc = ctypes.CDLL(None, use_errno=True)

def swap(one, other):
    if libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, EXCHANGE):
        raise OSError(ctypes.get_errno(), 'renameat2')

pathlib.Path('folder').mkdir()
pathlib.Path('folder/passwd').write_text('own')
pathlib.Path('file.txt').write_text('own')
pathlib.Path('etc').symlink_to('/etc')
pathlib.Path('passwd.link').symlink_to('/etc/passwd')
reader, writer = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        swapped = 0
        while True:  # On and on, while files are collected.
            swap(b'folder', b'etc')
            swap(b'file.txt', b'passwd.link')
            swapped += 1
            if swapped == TRIES:
                os.write(writer, b'x')
told = 0
while told < 3:
    told += len(os.read(reader, 3))
print('swapped')
"""

HARD_LINKS = """
import os
print(open('fixed.txt').read())
os.link('fixed.txt', 'second.txt')
os.chmod('second.txt', 0o644)
with open('second.txt', 'a') as file:
    file.write(' and changed')
os.link('second.txt', 'third.txt')
for path in ('/etc/passwd', '/opt/code-command/supervisor/serve.py', '/proc/1/environ'):
    try:
        os.link(path, 'linked.txt')
        print('linked', path)
    except OSError:
        pass
"""

NO_FILES = """
import os, socket, stat
os.mkfifo('pipe.txt')
os.remove('given.csv')
os.mkfifo('given.csv')
socket.socket(socket.AF_UNIX).bind('socket.txt')
os.makedirs('plot.png/within.csv')
for name, kind in (('block.img', stat.S_IFBLK), ('zero.txt', stat.S_IFCHR)):
    try:
        os.mknod(name, 0o600 | kind, os.makedev(1, 5))
        print(name)
    except OSError:
        pass
open('plot.png/within.csv/own.txt', 'w').write('own')
"""

WRITE_ON = """
import os, signal, threading
BLOCK = b'x' * 4096

def write_on(name):
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for _ in range(500):
            os.write(descriptor, BLOCK)
        os.ftruncate(descriptor, 4096)
        os.close(descriptor)

for number in range(4):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        write_on(f'child{number}.bin')
threading.Thread(target=write_on, args=('thread.bin',), daemon=True).start()
while len(os.listdir()) < 6:
    pass
"""

MANY = """
import random
names = [f'{number:05}.txt' for number in range(10_000)]
random.shuffle(names)
for name in names:
    open(name, 'w').close()
"""

LARGE = """
import os
for name, mib in dict(a=40, b=40, c=40, d=10, huge=51, sparse=90).items():
    open(name, 'w').close()
    os.truncate(name, mib << 20)
"""


def skipped(answer: Any) -> set[str]:
    """Return the names that the answer says are not kept; all are named."""
    told = answer["artifact_truncation"]
    assert told["skipped_count"] == len(told["skipped"])
    return set(told["skipped"])


@pytest.mark.runsc
@pytest.mark.case(37)
def test_a_link_is_reported_and_never_followed(attacker: Caller) -> None:
    given = attacker.upload("given.txt", b"given")

    answer = attacker.run(LINKS, given)

    assert [file["name"] for file in answer["files"]] == ["own.txt"]
    assert answer["deleted_files"] == ["given.txt"]
    assert skipped(answer) == {
        *("passwd.txt", "environ.txt", "supervisor.txt", "memory.bin", "descriptor.bin"),
        *("everything", "up", "shared", "other_session"),
        *("loop.txt", "nowhere.txt", "given.txt"),
    }
    assert answer["artifact_truncation"]["reasons"] == ["not_a_regular_file"]


@pytest.mark.case(38)
def test_a_link_that_is_swapped_in_while_files_are_collected_leads_nowhere(
    attacker: Caller,
) -> None:
    answer = attacker.run(SWAP)

    assert (answer["stdout"], answer["code"]) == ("swapped\n", 0)
    files = stored_files(answer)
    assert len(files) == 2, "half of the four names are links, whenever one looks"
    assert {attacker.download(file) for file in files.values()} <= {b"own"}
    assert len(skipped(answer)) == 2


@pytest.mark.runsc
@pytest.mark.case(39)
def test_a_hard_link_is_one_more_file_and_opens_nothing(attacker: Caller) -> None:
    fixed = attacker.upload("fixed.txt", b"fixed", read_only="true")

    answer = attacker.run(HARD_LINKS, fixed)

    assert answer["stdout"] == "fixed\n", "nothing of the image could be linked"
    files = stored_files(answer)
    assert files.keys() == {"fixed.txt", "second.txt", "third.txt"}
    contents = {name: attacker.download(file) for name, file in files.items()}
    assert contents["second.txt"] == contents["third.txt"] == b"fixed and changed"
    assert contents["fixed.txt"] == attacker.download(fixed) == b"fixed"


@pytest.mark.runsc
@pytest.mark.case(40)
def test_what_is_no_regular_file_is_skipped_without_a_wait(attacker: Caller) -> None:
    given = attacker.upload("given.csv", b"1,2")
    began_at = time.monotonic()

    answer = attacker.run(NO_FILES, given)

    assert time.monotonic() - began_at < ANSWERED_WITHIN_S
    assert (answer["code"], answer["stderr"]) == (0, "")
    nodes = set(answer["stdout"].split())  # gVisor makes them, of its own devices.
    (file,) = stored_files(answer).values()
    assert (file.name, attacker.download(file)) == ("plot.png/within.csv/own.txt", b"own")
    assert skipped(answer) == {"pipe.txt", "socket.txt", "given.csv"} | nodes
    assert answer["deleted_files"] == ["given.csv"]


@pytest.mark.runsc
@pytest.mark.case(41)
def test_files_that_are_still_written_are_of_one_size(attacker: Caller) -> None:
    answer = attacker.run(WRITE_ON)

    assert answer["code"] == 0
    listed = attacker.http.get(f"/files/{answer['session_id']}?detail=summary").json()
    sizes = {file["id"]: file["size"] for file in listed}
    files = stored_files(answer)
    assert files.keys() == {*(f"child{number}.bin" for number in range(4)), "thread.bin"}
    for file in files.values():
        content = attacker.download(file)
        assert len(content) == sizes[file.id]
        assert content == b"x" * len(content)
        assert len(content) % 4096 == 0, "a write is whole, or not there"


@pytest.mark.case(43)
def test_of_ten_thousand_files_the_first_are_kept_and_the_rest_counted(
    target: RunningService, attacker: Caller
) -> None:
    before = len(target.stored())

    first, second = attacker.run(MANY), attacker.run(MANY)

    wanted = [f"{number:05}.txt" for number in range(50)]
    assert [file["name"] for file in first["files"]] == wanted
    assert first["artifact_truncation"] == {
        "reasons": ["too_many_files"],
        "skipped_count": 9_950,
        "skipped": [f"{number:05}.txt" for number in range(50, 70)],
    }
    assert second["artifact_truncation"] == first["artifact_truncation"]
    assert [file["name"] for file in second["files"]] == wanted
    assert len(target.stored()) - before == 2 * (len(wanted) + 1), "and one record each"


@pytest.mark.case(43)
def test_what_is_too_large_by_itself_or_in_all_is_named(attacker: Caller) -> None:
    answer = attacker.run(LARGE)

    assert [file["name"] for file in answer["files"]] == ["a", "b", "d"]
    assert answer["artifact_truncation"] == {
        "reasons": ["file_too_large", "total_size"],
        "skipped_count": 3,
        "skipped": ["huge", "sparse", "c"],
    }
    assert "c (" in answer["stderr"]
    for file in stored_files(answer).values():
        assert int(attacker.http.head(file.path).headers["content-length"]) <= 40 * MIB
