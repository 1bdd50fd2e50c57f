"""Case 46: archives that are bombs or traps. The service opens none: they are bytes."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.wire import END, FORM, MIB, PART, bounded_memory

pytestmark = [pytest.mark.docker, pytest.mark.case(46)]

ZEROS = bytes(200 * MIB)
"""Twice what a workspace holds, and a thousand times what it is packed."""


def test_a_bomb_is_stored_as_it_is_and_bursts_in_its_own_workspace(
    target: RunningService, attacker: Caller
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("zeros", ZEROS)
    contents = {"bomb.zip": packed.getvalue(), "bomb.gz": gzip.compress(ZEROS, 1)}
    with bounded_memory(target):
        files = attacker.upload_all(contents)

    assert [attacker.download(file) for file in files] == list(contents.values())
    for command, full_disk in (("unzip -q bomb.zip", 50), ("gunzip -k bomb.gz", 1)):
        burst = attacker.run(f"{command}; echo $?; rm -f zeros bomb", *files, lang="bash")
        assert burst["stdout"] == f"{full_disk}\n"
        assert {file["name"] for file in burst["files"]} == contents.keys()


def test_a_trap_is_an_archive_that_nobody_opens(attacker: Caller) -> None:
    trap = _tar_of_traps()
    (file,) = attacker.upload_all({"trap.tar": trap})

    answer = attacker.run("ls -A", file, lang="bash")

    assert answer["stdout"] == "script.sh\ntrap.tar\n"
    assert attacker.download(file) == trap
    opened = attacker.run(
        "tar -xPf trap.tar 2>/dev/null; echo $?; cat /etc/evil /tmp/evil 2>/dev/null",
        file,
        lang="bash",
    )
    assert opened["stdout"].startswith("2\n"), "tar itself fails on what it may not do"
    kept = [each["name"] for each in opened["files"]]
    assert not {"link", "link/through.txt", "device", "passwd"} & set(kept)
    for each in opened["files"]:
        content = attacker.http.get(f"/download/{opened['session_id']}/{each['id']}").content
        assert b"root:" not in content


def test_bodies_that_are_said_to_be_packed_are_not_unpacked(
    target: RunningService, attacker: Caller
) -> None:
    program = json.dumps({"lang": "py", "code": "#" + " " * (40 * MIB)}).encode()
    form = PART % b"a.txt" + b"\0" * (40 * MIB) + END
    with bounded_memory(target):
        for path, body, headers in (
            ("/exec", program, {"Content-Type": "application/json"}),
            ("/upload", form, FORM),
        ):
            answer = attacker.http.post(
                path,
                content=gzip.compress(body),
                headers=headers | {"Content-Encoding": "gzip"},
            )
            assert answer.status_code == 400


def _tar_of_traps() -> bytes:
    packed = io.BytesIO()

    def member(name: str, kind: bytes, target: str = "", content: bytes = b"") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, target, len(content)
        info.devmajor, info.devminor, info.mode = 1, 5, 0o6777
        archive.addfile(info, io.BytesIO(content))

    with tarfile.open(fileobj=packed, mode="w") as archive:
        member("link", tarfile.SYMTYPE, "/tmp")
        member("link/evil", tarfile.REGTYPE, content=b"through a link")
        member("/etc/evil", tarfile.REGTYPE, content=b"absolute")
        member("../../../etc/evil", tarfile.REGTYPE, content=b"climbing")
        member("passwd", tarfile.LNKTYPE, "/etc/passwd")
        member("device", tarfile.CHRTYPE)
        member("setuid", tarfile.REGTYPE, content=b"#!/bin/sh\nid\n")
    return packed.getvalue()
