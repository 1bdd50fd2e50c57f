"""A `Runner` on local sandboxes and an object store in memory, both under a test's control."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from typing_extensions import override

from executor.kept_state import StateKeeper
from executor.memory import MemoryRules
from executor.messages import Failed, FailureKind, Finished, RunReport, RunRequest
from executor.pool import WarmPool
from executor.run import Runner
from executor.sandbox import RunLimits, StateTerms
from executor.state_locks import StateLocks
from storage.errors import StorageUnavailableError
from storage.ids import new_id
from storage.memory import MemoryObjectStore
from storage.ports import ObjectStore, OpenedObject, StoredObject
from storage.records import FileEntry, Scope, SessionRecord
from storage.sessions import Sessions
from storage.states import States
from tests.executor.local_engine import LocalEngine

TENANT = "tenant"
USER = "user"
MIB = 1024 * 1024

LIMITS = RunLimits(
    wall_time_s=20,
    stdout_bytes=65_536,
    stderr_bytes=65_536,
    file_bytes=50 * MIB,
    total_bytes=100 * MIB,
)


class WatchedStore(ObjectStore):
    """Notes every call, and fails when it is told to."""

    def __init__(self) -> None:
        self._inner = MemoryObjectStore()
        self.calls: list[tuple[str, str]] = []
        self.keys: set[str] = set()
        self.puts_until_fault: int | None = None
        self.refused_puts: set[int] = set()
        """Which of the next writes fail, counted from 1."""
        self.opening_faults = False
        self.deleting_faults = False
        self.open_for_puts = asyncio.Event()
        """Cleared, writers wait."""
        self.open_for_puts.set()

    @property
    def puts(self) -> list[str]:
        return [key for method, key in self.calls if method == "put"]

    def forget(self) -> None:
        """Start a new list of calls."""
        self.calls.clear()

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        self.calls.append(("put", key))
        await self.open_for_puts.wait()
        if self.puts_until_fault is not None:
            if self.puts_until_fault == 0:
                raise StorageUnavailableError("S3 did not answer")
            self.puts_until_fault -= 1
        if len(self.puts) in self.refused_puts:
            raise StorageUnavailableError("S3 did not answer")
        receipt = await self._inner.put(key, body, max_bytes=max_bytes)
        self.keys.add(key)
        return receipt

    @override
    @asynccontextmanager
    async def open(self, key: str) -> AsyncGenerator[OpenedObject]:
        self.calls.append(("open", key))
        if self.opening_faults:
            raise StorageUnavailableError("S3 did not answer")
        async with self._inner.open(key) as opened:
            yield opened

    @override
    async def read(self, key: str, *, max_bytes: int) -> bytes:
        self.calls.append(("read", key))
        return await self._inner.read(key, max_bytes=max_bytes)

    @override
    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        self.calls.append(("update", key))
        await self._inner.update(key, change, max_bytes=max_bytes)

    @override
    async def delete(self, key: str) -> None:
        self.calls.append(("delete", key))
        self.keys.discard(key)
        await self._inner.delete(key)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        self.calls.append(("delete_prefix", prefix))
        if self.deleting_faults:
            raise StorageUnavailableError("S3 did not answer")
        self.keys = {key for key in self.keys if not key.startswith(prefix)}
        return await self._inner.delete_prefix(prefix)

    @override
    async def check(self) -> None:
        await self._inner.check()


class Workbench:
    """Everything that one run needs."""

    def __init__(self, pool: WarmPool, engine: LocalEngine) -> None:
        self.engine = engine
        self.store = WatchedStore()
        self.sessions = Sessions(self.store, max_age=timedelta(hours=1))
        self.pool = pool
        self.limits = LIMITS
        self.memory = MemoryRules(large_bytes=1024 * MIB, grows=True)
        self.locks = StateLocks("redis://127.0.0.1:1")
        """Nobody is there, and nobody is asked by runs that keep no workspace."""

    @property
    def runner(self) -> Runner:
        return Runner(
            pool=self.pool,
            sessions=self.sessions,
            limits=self.limits,
            memory=self.memory,
            keeper=StateKeeper(
                states=States(self.store, max_age=timedelta(hours=1), clock=self.sessions.now),
                locks=self.locks,
                terms=StateTerms(max_bytes=MIB),
            ),
        )

    async def upload(
        self,
        name: str,
        content: bytes = b"input",
        *,
        read_only: bool = False,
        entity_id: str | None = None,
    ) -> FileEntry:
        """Store a file in a session of its own; its calls are not noted."""
        session_id = new_id()
        entry = await self.sessions.store_file(
            TENANT,
            session_id,
            name=name,
            body=_once(content),
            content_type="text/plain",
            max_bytes=len(content),
            read_only=read_only,
            entity_id=entity_id,
        )
        record = SessionRecord(
            session_id=session_id,
            origin="upload",
            user=USER,
            scope=Scope(),
            created_at=entry.created_at,
            files=(entry,),
        )
        await self.sessions.save(TENANT, record)
        self.store.forget()
        return entry

    async def report(self, request: RunRequest) -> RunReport:
        return await self.runner.run(request)

    async def run(self, code: str, *inputs: FileEntry, language: str = "bash") -> Finished:
        """Run a program that is expected to have a result."""
        report = await self.report(request(code, *inputs, language=language))
        assert isinstance(report.result, Finished), report
        return report.result

    async def failure(self, code: str, *inputs: FileEntry, wait_s: float = 60) -> FailureKind:
        """Run a program that is expected to have none."""
        report = await self.report(request(code, *inputs, wait_s=wait_s))
        assert isinstance(report.result, Failed), report
        return report.result.kind

    async def content(self, entry: FileEntry) -> bytes:
        async with self.sessions.open_file(TENANT, entry) as opened:
            return b"".join([chunk async for chunk in opened.chunks])

    def left_of(self, session_id: str) -> set[str]:
        """The objects that lie under a session."""
        return {key for key in self.store.keys if f"/{session_id}/" in key}


def request(
    code: str, *inputs: FileEntry, language: str = "bash", wait_s: float = 60
) -> RunRequest:
    return RunRequest(
        run_id=new_id(),
        session_id=new_id(),
        tenant=TENANT,
        user=USER,
        language=language,
        code=code,
        inputs=inputs,
        deadline=time.time() + wait_s,
    )


@asynccontextmanager
async def workbench(*, pool_size: int = 0) -> AsyncGenerator[Workbench]:
    """A bench whose sandboxes are all gone at its end; that is asserted."""
    engine = LocalEngine()
    async with WarmPool(engine, size=pool_size) as pool:
        yield Workbench(pool, engine)
    assert engine.living == []


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data
