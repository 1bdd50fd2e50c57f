"""An executor process on a real broker, a real S3 server and a real Docker engine."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from executor.messages import (
    QUEUE_NAME,
    FailureKind,
)
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, HEARTBEAT_TTL_S, ExecutorStatus
from storage.ids import new_id
from storage.records import FileEntry, SessionRecord
from storage.s3 import S3ObjectStore
from storage.sessions import Sessions
from storage.settings import StorageSettings
from tests.api.broker import Valkey
from tests.executor.docker_view import containers_of, volumes_of
from tests.live.executor.process import (
    TENANT,
    ExecutorProcess,
    eventually,
    request,
    running_executor,
)

pytestmark = pytest.mark.docker


class Files:
    """What the API does with files, around the runs."""

    def __init__(self, storage: StorageSettings) -> None:
        self._storage = storage

    def upload(self, name: str, content: bytes) -> FileEntry:
        async def stored() -> FileEntry:
            return await self._sessions.store_file(
                TENANT,
                new_id(),
                name=name,
                body=_once(content),
                content_type="text/plain",
                max_bytes=len(content),
            )

        return asyncio.run(stored())

    def content(self, entry: FileEntry) -> bytes:
        async def read() -> bytes:
            async with self._sessions.open_file(TENANT, entry) as opened:
                return b"".join([chunk async for chunk in opened.chunks])

        return asyncio.run(read())

    def record(self, session_id: str) -> SessionRecord:
        async def load() -> SessionRecord:
            return await self._sessions.load(TENANT, session_id)

        return asyncio.run(load())

    @property
    def _sessions(self) -> Sessions:
        return Sessions(S3ObjectStore(self._storage), max_age=timedelta(hours=1))


async def _once(content: bytes) -> AsyncGenerator[bytes]:
    yield content


@pytest.fixture
def files(storage: StorageSettings) -> Files:
    return Files(storage)


class TestRuns:
    def test_a_message_gives_a_report(self, executor: ExecutorProcess) -> None:
        asked = request("print(6*7)", language="py")

        report = executor.send(asked).report()

        assert report.run_id == asked.run_id
        result = executor.send(asked.model_copy(update={"run_id": new_id()})).finished()
        assert (result.stdout, result.stderr, result.exit_code) == ("42\n", "", 0)

    def test_files_come_from_storage_and_go_there(
        self, executor: ExecutorProcess, files: Files
    ) -> None:
        uploaded = files.upload("data.csv", b"1\n")
        kept = files.upload("kept.csv", b"2\n")
        asked = request("cat *.csv; echo 3 >> data.csv; echo 4 > new.csv", uploaded, kept)

        result = executor.send(asked).finished()

        assert result.stdout == "1\n2\n"
        contents = {entry.name: files.content(entry) for entry in result.files}
        assert contents == {"data.csv": b"1\n3\n", "new.csv": b"4\n", "kept.csv": b"2\n"}
        assert files.record(asked.session_id).files == result.files

    def test_an_input_whose_bytes_are_gone_is_told(
        self, executor: ExecutorProcess, files: Files
    ) -> None:
        uploaded = files.upload("data.csv", b"1\n")
        gone = uploaded.model_copy(update={"id": new_id()})

        assert executor.send(request("true", gone)).failure() is FailureKind.INPUT_UNAVAILABLE

    def test_several_run_side_by_side(self, executor: ExecutorProcess) -> None:
        started = time.monotonic()
        sent = [executor.send(request(f"sleep 2; echo {n}")) for n in range(4)]

        assert [run.finished().stdout for run in sent] == ["0\n", "1\n", "2\n", "3\n"]
        assert time.monotonic() - started < 7

    def test_every_run_gets_a_new_container_and_none_stays(
        self, executor: ExecutorProcess
    ) -> None:
        executor.rest()
        before = executor.containers

        executor.run("true")

        executor.rest()
        assert not executor.containers & before

    def test_a_message_found_after_its_deadline_runs_nothing(
        self, executor: ExecutorProcess
    ) -> None:
        executor.rest()
        before = executor.containers

        late = executor.send(request("echo ran", wait_s=-1))

        assert late.failure() is FailureKind.DEADLINE_EXCEEDED
        assert executor.containers == before

    def test_a_message_that_is_no_request_harms_nobody(self, executor: ExecutorProcess) -> None:
        bad = executor.send_raw([{"code": "echo secret-in-a-bad-message"}], new_id())

        assert bad.outcome()["status"] == "FAILURE"
        assert executor.run("echo fine").stdout == "fine\n"
        assert "secret-in-a-bad-message" not in executor.log

    def test_neither_programs_nor_their_output_are_in_the_log(
        self, executor: ExecutorProcess
    ) -> None:
        executor.run("echo secret-$((40+2)); touch secret-file.txt; exit 3")

        assert "ended with 3" in executor.log
        assert "secret" not in executor.log


class TestCancelling:
    def test_it_ends_the_program_and_removes_its_container(
        self, executor: ExecutorProcess
    ) -> None:
        executor.rest()
        asked = request("sleep 600")
        sent = executor.send(asked)
        eventually(lambda: len(executor.containers) == 2, "it runs, and the pool is full")

        executor.cancel(asked.run_id)

        assert sent.failure() is FailureKind.CANCELLED
        executor.rest()

    def test_of_an_unknown_run_it_does_nothing(self, executor: ExecutorProcess) -> None:
        executor.cancel(new_id())

        assert executor.run("echo fine").stdout == "fine\n"


def resting(status: ExecutorStatus | None) -> bool:
    return status is not None and (status.running, status.ready_sandboxes) == (0, 1)


class TestSignsOfLife:
    def test_they_say_how_it_fares(self, executor: ExecutorProcess) -> None:
        executor.rest()

        eventually(lambda: resting(executor.status), "it tells that it rests")
        status = executor.status
        assert status is not None
        assert (status.engine, status.detail, status.capacity) == ("up", "", 4)
        assert status.instance_id.startswith(f"{executor.owner}-")

    def test_they_expire_by_themselves(self, executor: ExecutorProcess, valkey: Valkey) -> None:
        with valkey.connect() as redis:
            (key,) = redis.scan_iter(f"{HEARTBEAT_KEY_PREFIX}{executor.owner}-*")

            assert 0 < redis.ttl(key) <= HEARTBEAT_TTL_S


class TestItsEnd:
    def test_told_to_stop_it_lets_short_runs_end_and_leaves_nothing(
        self, folder: Path, own_valkey: Valkey, storage: StorageSettings
    ) -> None:
        settings = {"EXECUTOR_SHUTDOWN_GRACE": "3"}
        with running_executor(folder, own_valkey, storage, settings) as executor:
            short = executor.send(request("sleep 1; echo done"))
            endless = executor.send(request("sleep 600"))
            eventually(lambda: len(executor.containers) == 3, "both run, the pool is full")

            assert executor.end(signal.SIGTERM) == 0

            assert short.finished().stdout == "done\n"
            assert endless.failure() is FailureKind.HANDED_BACK
            assert executor.containers == set()
            assert volumes_of(executor.owner) == set()
            assert executor.status is None

    def test_killed_its_containers_end_by_themselves_and_its_next_life_removes_them(
        self, folder: Path, own_valkey: Valkey, storage: StorageSettings
    ) -> None:
        with running_executor(folder, own_valkey, storage) as executor:
            executor.send(request("sleep 600", wait_s=5))
            eventually(lambda: len(executor.containers) == 2, "it runs, the pool is full")
            orphans = executor.containers

            executor.end(signal.SIGKILL)

            eventually(
                lambda: containers_of(executor.owner, running_only=True) == set(),
                "they have ended",
            )
            assert executor.containers == orphans

            executor.start()

            eventually(lambda: not executor.containers & orphans, "they are gone")
            executor.rest()

    def test_a_pool_that_is_just_being_filled_is_no_exception(
        self, folder: Path, own_valkey: Valkey, storage: StorageSettings
    ) -> None:
        settings = {"SANDBOX_POOL_SIZE": "4"}
        executor = ExecutorProcess(folder, own_valkey, storage, settings)
        try:
            executor.launch()
            eventually(lambda: len(executor.containers) > 0, "it fills its pool")

            assert executor.end(signal.SIGTERM) == 0
            assert executor.containers == set()
        finally:
            executor.put_away()


class TestBadSettings:
    @pytest.mark.parametrize(
        ("variable", "value"),
        [("SANDBOX_POOL_SIZE", "-1"), ("SHARED_ASSETS_PATH", "/nowhere")],
    )
    def test_it_does_not_start_and_says_why_in_one_line(
        self,
        folder: Path,
        valkey: Valkey,
        storage: StorageSettings,
        variable: str,
        value: str,
    ) -> None:
        executor = ExecutorProcess(folder, valkey, storage, {variable: value})
        executor.launch()

        assert executor.wait() == 2
        assert executor.log.startswith(f"{variable}: ")
        assert executor.log.count("\n") == 1
        executor.put_away()


class TestWhatCeleryGivesUpOn:
    def test_the_executor_does_not_end_as_if_it_had_been_told_to(
        self, folder: Path, own_valkey: Valkey, storage: StorageSettings
    ) -> None:
        executor = ExecutorProcess(folder, own_valkey, storage, {"SANDBOX_POOL_SIZE": "0"})
        executor.launch()
        eventually(lambda: executor.status is not None, "it gives signs of life")
        try:
            with own_valkey.connect() as redis:
                redis.set(QUEUE_NAME, "not a list")

            assert executor.wait() == 1
            assert "Unrecoverable error" in executor.log
        finally:
            executor.put_away()
