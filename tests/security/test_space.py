"""Cases 7 to 11: disk, sparse files, entries, depth, descriptors."""

import json
from typing import Any

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files
from tests.security.attacks import Attack, attack, attack_at_once
from tests.security.host_view import bytes_on_disk

pytestmark = pytest.mark.docker

WORKSPACE_BYTES = 104_857_600
MAX_OUTPUT_FILES = 50
MAX_OPEN_FILES = 2048

DESCRIPTORS = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
"""Prints those of a program, and the one that it looks with."""


def skipped(answer: Any) -> dict[str, Any]:
    return answer.get("artifact_truncation", {"reasons": [], "skipped": []})


@pytest.mark.case(7)
def test_filling_the_disk_fills_the_workspace_and_no_disk(
    target: RunningService, attacker: Caller
) -> None:
    """Wherever it may write; and in a thousand pieces, none of which is too large by itself."""
    on_disk: list[int] = []
    everywhere = (
        "for folder in / /var/tmp /dev /dev/shm /dev/mqueue /mnt /mnt/shared /run /tmp; do\n"
        "    head -c 1G /dev/zero > $folder/fill\ndone 2>/dev/null\n"
        "head -c 1G /dev/zero > fill; sleep 0.5; wc -c < fill"
    )
    in_pieces = """
import errno, os
os.mkdir(".hidden")  # From where nothing is kept: this is about the disk.
names = (f".hidden/{number}.bin" for number in range(1000))
try:
    for name in names:
        with open(name, "wb", buffering=0) as file:
            file.write(bytes(9 << 20))
except OSError as error:
    print(errno.errorcode[error.errno], name)
"""
    whole, pieces = attack_at_once(
        attacker,
        Attack(everywhere, "bash"),
        Attack(in_pieces),
        meanwhile=lambda: on_disk.append(bytes_on_disk(target)),
    )

    assert "No space left on device" in whole["stderr"]
    assert 0 < int(whole["stdout"]) <= WORKSPACE_BYTES
    assert (whole["files"], skipped(whole)["reasons"]) == ([], ["file_too_large"])
    assert set(on_disk) == {0}
    assert pieces["stdout"] == "ENOSPC .hidden/12.bin\n"  # Of 9 MiB each.
    assert (pieces["files"], skipped(pieces)["reasons"]) == ([], ["hidden_directory"])


@pytest.mark.case(8)
def test_a_sparse_terabyte_is_neither_kept_nor_read(attacker: Caller) -> None:
    """As a new file, and in the place of an input; or as a thousand smaller ones."""
    table = attacker.upload("table.csv", b"1,2\n")
    code = """
import os
for name in "table.csv", "new.csv":
    try:
        os.truncate(os.open(name, os.O_RDWR | os.O_CREAT), 1 << 40)
    except OSError as error:
        print(error.strerror)
for number in range(1000):
    os.truncate(os.open(f"{number:04}.bin", os.O_RDWR | os.O_CREAT), 60_000_000)
"""
    answer = attack(attacker, code, table)

    kept = [file for file in answer["files"] if not file.get("inherited")]
    # Where it may not even be announced, the file is as empty as when it was made.
    assert answer["stdout"].split("\n") in ([""], ["File too large", "File too large", ""])
    new = stored_files(answer).get("new.csv")
    assert new is None or attacker.download(new) == b""
    assert {file["name"] for file in kept} <= {"new.csv"}
    assert "file_too_large" in skipped(answer)["reasons"]
    assert answer["artifact_truncation"]["skipped_count"] >= 1000
    assert attacker.download(table) == b"1,2\n"


@pytest.mark.case(9)
def test_a_million_files_are_no_more_than_the_most(attacker: Caller) -> None:
    code = """
import errno, os
for number in range(1_000_000):
    try:
        os.close(os.open(f"{number}", os.O_CREAT))
    except OSError as error:
        print(errno.errorcode[error.errno])
        break
"""
    in_memory = code.replace('f"{number}"', 'f"/dev/shm/{number}"')
    here, there = attack_at_once(attacker, Attack(code), Attack(in_memory))

    assert here["stdout"] == "ENOSPC\n"
    assert len(here["files"]) == MAX_OUTPUT_FILES
    assert skipped(here)["skipped_count"] > MAX_OUTPUT_FILES
    assert there["stdout"] == "ENOSPC\n" or there["status"] in {"SG", "TO"}
    assert there["files"] == []


@pytest.mark.case(10)
def test_folders_without_end_are_not_followed_to_it(attacker: Caller) -> None:
    """Nor is it looked for by recursion; and paths that no call takes whole are no trouble."""
    levels = """
import os
depth = 0
try:
    while depth < 100_000:
        os.mkdir("d")
        os.chdir("d")
        depth += 1
        if depth % 1000 == 0:
            os.close(os.open("bottom.txt", os.O_CREAT))
except OSError:
    pass
print(depth)
"""
    long_names = (
        "name=$(printf 'n%.0s' {1..255})\n"
        "for n in {1..40}; do mkdir $name && cd $name && touch bottom.txt; done\n"
        "pwd | wc -c"
    )
    deep, long = attack_at_once(attacker, Attack(levels), Attack(long_names, "bash"))

    assert int(deep["stdout"]) > 10_000
    assert int(long["stdout"]) > 10_000
    for answer in (deep, long):
        assert answer["code"] == 0
        assert answer["files"] == []
        assert skipped(answer)["reasons"] == ["path_too_long"]


@pytest.mark.case(11)
def test_every_descriptor_taken_is_the_programs_own_loss(
    attacker: Caller, victim: Caller
) -> None:
    code = """
import array, errno, json, os, socket
def take(make):
    taken = []
    try:
        while len(taken) < 1_000_000:
            taken.append(make())
    except OSError as error:
        return errno.errorcode[error.errno], len(taken)
    finally:
        for each in taken:
            os.close(each) if isinstance(each, int) else each.close()
words = {
    "files": take(lambda: os.open("/dev/null", os.O_RDONLY)),
    "sockets": take(socket.socket),
    "events": take(lambda: os.eventfd(0)),
}
# Those that lie in a socket's queue are nobody's.
here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
here.setblocking(False)
many = array.array("i", [0] * 200)
sent = 0
try:
    while sent < 1_000_000:
        here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
        sent += len(many)
except OSError as error:
    words["in the post"] = errno.errorcode[error.errno], sent
print(json.dumps(words))
"""
    crowd = (
        "import os, time\nfor n in range(45):\n"
        "    try: os.fork()\n    except OSError: break\n"
        "try:\n    while True: os.open('/dev/null', os.O_RDONLY)\n"
        "except OSError: time.sleep(1)"
    )
    answer, _ = attack_at_once(attacker, Attack(code), Attack(crowd))

    words = json.loads(answer["stdout"])
    for what in ("files", "sockets", "events"):
        assert words[what][0] == "EMFILE"
        assert words[what][1] <= MAX_OPEN_FILES
    assert words["in the post"][0] in {"ETOOMANYREFS", "EAGAIN"}
    assert attack(victim, DESCRIPTORS)["stdout"] == "[0, 1, 2, 3]\n"
