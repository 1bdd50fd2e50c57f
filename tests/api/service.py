"""The API with everything behind it replaced by something in this process."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import ASGIApp
from pydantic import SecretStr
from typing_extensions import override

from api.app import create_app
from api.dispatch import Dispatcher, Readiness
from api.held_bodies import HeldBodies
from api.programmatic_rounds import Rounds
from api.programmatic_store import ExecutionStore
from api.rate_limits import RateLimits
from api.settings import ApiSettings
from executor.messages import (
    Finished,
    RunReport,
    RunRequest,
)
from executor.signs_of_life import ExecutorStatus
from executor.tool_messages import RoundRequest
from storage.errors import StorageUnavailableError
from storage.memory import MemoryObjectStore
from storage.ports import ObjectStore, OpenedObject, StoredObject
from storage.records import FileEntry, SessionRecord
from storage.sessions import Sessions

KEY = "the-key-of-the-default-tenant"
OTHER_KEY = "the-key-of-the-tenant-acme"
TENANT = "default"
OTHER_TENANT = "acme"

UNKNOWN_ID = "A" * 21

DONE = Finished(exit_code=0, stdout="", stderr="", wall_time_ms=12)


def executor_status(engine: Any = "up") -> ExecutorStatus:
    return ExecutorStatus(
        instance_id="one",
        host="host",
        engine=engine,
        ready_sandboxes=2,
        running=0,
        capacity=4,
    )


class FakeDispatcher(Dispatcher):
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.outcome: Callable[[RunRequest], Any] = lambda _: DONE
        """Returns a result, raises, or returns an event to wait for until cancelled."""
        self.state = Readiness(broker_up=True, executors=(executor_status(),))
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    @override
    async def run(self, request: RunRequest) -> RunReport:
        self.requests.append(request)
        self.began.set()
        result = self.outcome(request)
        if isinstance(result, asyncio.Event):
            try:
                await result.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            result = DONE
        return RunReport(run_id=request.run_id, result=result)

    @override
    async def readiness(self) -> Readiness:
        return self.state

    @property
    def request(self) -> RunRequest:
        """The only run there was."""
        assert len(self.requests) == 1
        return self.requests[0]


class FakeRounds(Rounds):
    """Programs that wait, and go on as the test says."""

    def __init__(self) -> None:
        self.requests: list[RoundRequest] = []
        self.ended: list[str] = []
        self.outcome: Callable[[RoundRequest], Any] = lambda _: DONE
        """Returns a result, raises, or returns an event to wait for."""

    @override
    async def carry_on(
        self, request: RoundRequest, *, executor: str, held_at: float
    ) -> RunReport:
        self.requests.append(request)
        result = self.outcome(request)
        if isinstance(result, asyncio.Event):
            await result.wait()
            result = DONE
        return RunReport(run_id=request.run_id, result=result)

    @override
    async def end(self, run_id: str) -> None:
        self.ended.append(run_id)


class FailingStore(ObjectStore):
    """A store in memory that can be taken down, and can break while it is read."""

    def __init__(self) -> None:
        self.memory = MemoryObjectStore()
        self.is_down = False
        self.is_down_for: str | None = None
        """The only session whose record cannot be read."""
        self.breaks_after_bytes: int | None = None
        self.checks = 0

    @override
    async def put(
        self, key: str, body: AsyncIterable[bytes], *, max_bytes: int
    ) -> StoredObject:
        self._stand()
        return await self.memory.put(key, body, max_bytes=max_bytes)

    @override
    def open(self, key: str) -> AbstractAsyncContextManager[OpenedObject]:
        return self._open(key)

    @asynccontextmanager
    async def _open(self, key: str) -> AsyncGenerator[OpenedObject, None]:
        self._stand()
        async with self.memory.open(key) as opened:
            yield OpenedObject(
                key=key, size_bytes=opened.size_bytes, chunks=self._chunks(opened.chunks)
            )

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for chunk in chunks:
            if self.breaks_after_bytes is not None and read_bytes >= self.breaks_after_bytes:
                raise StorageUnavailableError("the connection broke")
            read_bytes += len(chunk)
            yield chunk

    @override
    async def read(self, key: str, *, max_bytes: int) -> bytes:
        self._stand()
        if self.is_down_for is not None and self.is_down_for in key:
            raise StorageUnavailableError("the backend at secret-host:9000 did not answer")
        return await self.memory.read(key, max_bytes=max_bytes)

    @override
    async def update(
        self, key: str, change: Callable[[bytes], bytes], *, max_bytes: int
    ) -> None:
        self._stand()
        await self.memory.update(key, change, max_bytes=max_bytes)

    @override
    async def delete(self, key: str) -> None:
        self._stand()
        await self.memory.delete(key)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        self._stand()
        return await self.memory.delete_prefix(prefix)

    @override
    async def check(self) -> None:
        self.checks += 1
        self._stand()

    def _stand(self) -> None:
        if self.is_down:
            raise StorageUnavailableError("the backend at secret-host:9000 did not answer")


@dataclass
class Clock:
    """A present that a test can move."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, time: timedelta) -> None:
        self.now += time


@dataclass
class Service:
    """Everything that a test of the API wants to look at."""

    app: Litestar
    store: FailingStore
    sessions: Sessions
    dispatcher: FakeDispatcher
    clock: Clock
    rounds: FakeRounds
    executions: ExecutionStore

    async def store_file(
        self,
        name: str,
        content: bytes = b"",
        *,
        tenant: str = TENANT,
        **more: Any,
    ) -> FileEntry:
        """Keep one file, as an upload would; return its entry."""
        session_id = UNKNOWN_ID[:-1] + "-"
        entry = await self.sessions.store_file(
            tenant,
            session_id,
            name=name,
            body=pieces(content),
            content_type="text/plain",
            max_bytes=10_000_000,
        )
        entry = entry.model_copy(update=more)
        await self.sessions.save(
            tenant,
            SessionRecord(
                session_id=session_id,
                origin="upload",
                user="somebody",
                created_at=self.clock.now,
                files=(entry,),
            ),
        )
        return entry


def make_settings(**more: Any) -> ApiSettings:
    return ApiSettings(
        code_api_key=SecretStr(KEY),
        code_api_keys=SecretStr(f"{OTHER_TENANT}={OTHER_KEY}"),
        **more,
    )


NOWHERE = "redis://127.0.0.1:1/0"
"""A result store that does not answer."""


def make_app(settings: ApiSettings, store: ObjectStore, sessions: Sessions) -> Litestar:
    """The app alone, for tests of what it does with files."""
    return create_app(
        settings,
        store=store,
        sessions=sessions,
        dispatcher=FakeDispatcher(),
        rounds=FakeRounds(),
        executions=ExecutionStore(NOWHERE),
    )


def make_service(
    settings: ApiSettings | None = None,
    *,
    rate_limits: RateLimits | None = None,
    result_url: str = NOWHERE,
    storage_errors: Mapping[str, int] | None = None,
    bodies: HeldBodies | None = None,
) -> Service:
    settings = settings or make_settings()
    store, dispatcher, clock = FailingStore(), FakeDispatcher(), Clock()
    rounds, executions = FakeRounds(), ExecutionStore(result_url)
    sessions = Sessions(store, max_age=settings.session_max_age, clock=clock)
    return Service(
        create_app(
            settings,
            store=store,
            sessions=sessions,
            dispatcher=dispatcher,
            rounds=rounds,
            executions=executions,
            rate_limits=rate_limits,
            storage_errors={} if storage_errors is None else storage_errors,
            bodies=bodies,
        ),
        store,
        sessions,
        dispatcher,
        clock,
        rounds,
        executions,
    )


def make_client(service: Service, key: str = KEY) -> TestClient[Litestar]:
    client = TestClient(service.app)
    client.headers["X-API-Key"] = key
    return client


async def pieces(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def multipart(*parts: str | bytes, boundary: str = "b0undary") -> bytes:
    """Join parts, each `headers CRLF CRLF body`, to a form's body."""
    delimiter = f"--{boundary}\r\n".encode()
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return (
        b"".join(delimiter + part + b"\r\n" for part in encoded)
        + f"--{boundary}--\r\n".encode()
    )


def file_part(filename: str, content: str = "x", *, field_name: str = "file") -> str:
    return (
        f'Content-Disposition: form-data; name="{field_name}"; filename="{filename}"\r\n'
        f"Content-Type: text/plain\r\n\r\n{content}"
    )


def field_part(name: str, value: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'


FORM = {"Content-Type": "multipart/form-data; boundary=b0undary"}


class Connection:
    """One raw ASGI request, so that a test can leave in its middle or watch its memory."""

    def __init__(
        self, app: ASGIApp, method: str, path: str, *, key: str = KEY, **headers: str
    ) -> None:
        self._app = app
        self._scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8095),
            "headers": [
                (b"host", b"localhost"),
                (b"x-api-key", key.encode()),
                *(
                    (name.replace("_", "-").encode(), value.encode())
                    for name, value in headers.items()
                ),
            ],
        }
        self.sent: list[Any] = []
        self._left = asyncio.Event()

    async def ask(self, body: AsyncIterable[bytes], *, then_leave: bool = False) -> None:
        """Send `body`, whole or, with `then_leave`, as far as it goes before leaving."""
        events = self._events(body, whole=not then_leave)

        async def receive() -> Any:
            return await anext(events)

        async def send(message: Any) -> None:
            self.sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._left.set()  # What uvicorn says once the response is complete.

        await self._app(self._scope, receive, send)

    def leave(self) -> None:
        """Close the connection from the client's side."""
        self._left.set()

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def json(self) -> Any:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))

    async def _events(self, body: AsyncIterable[bytes], *, whole: bool) -> AsyncIterator[Any]:
        async for chunk in body:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if whole:
            yield {"type": "http.request", "body": b"", "more_body": False}
            await self._left.wait()
        while True:
            yield {"type": "http.disconnect"}
