"""What every fault must leave behind: whole files, a service that is well, and no traces."""

import hashlib
import json
import os
import re
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from infra.local.engine import connect
from tests.faults.outages import recover
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, StoredFile

SIZES = (0, 1000, 6 << 20)
"""An empty file, one request, and an upload in parts."""

FILE_KEY = re.compile(r"(?P<session>.+)/files/[^/]+")
GROWING = ("logs", "s3", "broker")
"""Folders whose files are the servers' own."""


@contextmanager
def comes_back_whole(service: RunningService) -> Generator[Caller, None, None]:
    """Give a client of the service at rest; then see that nobody has to tidy up after a fault.

    The service recovers by itself and runs a program; what it acknowledged before is there to
    the byte; no container, mount, process, working file or object without a record is left.
    """
    recover(service)
    with service.caller() as caller:
        hashes = _acknowledged(caller)
        before = Traces.of(service)
        yield caller
        recover(service)
        assert {file: caller.download_hash(file) for file in hashes} == hashes
    eventually(lambda: _processes_of(service) == before.processes, "as many processes run")
    after = Traces.of(service)
    assert after.files == before.files
    assert after.mounts == before.mounts
    _are_gone(before.containers.keys() - after.containers.keys(), before)
    eventually(lambda: not _without_record(service), "no object lies there without a record")
    assert _named_but_missing(service) == set()


class Traces(NamedTuple):
    """What a service occupies of its machine."""

    processes: int
    files: frozenset[str]
    mounts: frozenset[str]
    containers: dict[str, str]
    """Where each one's root is mounted, by its id."""

    @classmethod
    def of(cls, service: RunningService) -> Self:
        return cls(
            _processes_of(service),
            frozenset(_working_files(service.work_dir)),
            frozenset(path for path in _mounts() if str(service.work_dir) in path),
            {name: _root_of(name) for name in service.containers(ended=True)},
        )


def _acknowledged(caller: Caller) -> dict[StoredFile, str]:
    contents = {f"{size}.bin": os.urandom(size) for size in SIZES}
    stored = caller.upload_all(contents)
    return {file: hashlib.sha256(contents[file.name]).hexdigest() for file in stored}


def _processes_of(service: RunningService) -> int:
    return len(service.processes())


def _working_files(work_dir: Path) -> Generator[str, None, None]:
    for path in work_dir.rglob("*"):
        inside = path.relative_to(work_dir)
        if inside.parts[0] not in GROWING:
            yield str(inside)


def _mounts() -> set[str]:
    lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return {line.split()[1] for line in lines}


def _root_of(container: str) -> str:
    with closing(connect()) as engine:
        facts: Any = engine.api.inspect_container(container)
    return facts["GraphDriver"]["Data"]["MergedDir"]


def _are_gone(containers: set[str], before: Traces) -> None:
    """Nothing of a removed container is mounted, and no process is in its control groups."""
    assert not _mounts() & {before.containers[name] for name in containers}
    for process in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            groups = process.read_text(encoding="utf-8")
        except OSError:
            continue  # It ended just now.
        assert not any(name in groups for name in containers), process.parent.name


def _without_record(service: RunningService) -> set[str]:
    keys = service.stored()
    sessions = {
        found["session"] for key in keys if (found := FILE_KEY.fullmatch(key)) is not None
    }
    return {name for name in sessions if f"{name}/record.json" not in keys}


def _named_but_missing(service: RunningService) -> set[str]:
    keys = service.stored()
    records = {key for key in keys if key.endswith("/record.json")}
    named = {
        key.replace("record.json", f"files/{file}")
        for key in records
        for file in _files_of(service, key)
    }
    return named - keys


def _files_of(service: RunningService, key: str) -> set[str]:
    """Return the ids of the files that lie in a record's own session."""
    answer = service.bucket.get_object(service.bucket_name, key)
    try:
        record = json.loads(answer.read())
    finally:
        answer.close()
        answer.release_conn()
    own = key.split("/")[-2]
    return {file["id"] for file in record.get("files", ()) if file["storage_session_id"] == own}
