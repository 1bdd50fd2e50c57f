"""Saved workspaces: what is in `/mnt/data` when a run ends and there again for the next.

One object each, under `{tenant}/states/{name}`: a line of JSON, which says when it was saved,
and then what the user's sandbox gave. Nobody reads that but another sandbox of the same user's.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from storage.errors import ObjectNotFoundError
from storage.ports import ObjectStore
from storage.session_keys import state_key

MAX_HEAD_BYTES = 1024


def state_name(*, user: str, user_is_proven: bool, hint: str) -> str:
    """Return the name of a user's workspace: 64 hexadecimal digits.

    Whoever has a key can say that they are anybody: they do not reach what belongs to the user
    whom a token proves to be that one.
    """
    known_by = "token" if user_is_proven else "key"
    text = f"{known_by}\0{user}\0{hint}"  # A hint has no NUL, so this reads in one way only.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True)

    saved_at: AwareDatetime


class States:
    """The saved workspaces in one object store.

    Args:
        store: Where they are.
        max_age: How long one is kept after it was saved.
        clock: Returns the present, with its time zone.
    """

    def __init__(
        self, store: ObjectStore, *, max_age: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._max_age = max_age
        self._clock = clock

    @asynccontextmanager
    async def open(self, tenant: str, name: str) -> AsyncGenerator[AsyncIterator[bytes] | None]:
        """Open a workspace for reading; `None` where there is none, or none any more.

        Raises:
            ValueError: `tenant` is no tenant's name, or `name` none of `state_name`.
            StorageUnavailableError: Safe to try again. Also while it is read.
        """
        async with AsyncExitStack() as stack:
            try:
                opened = await stack.enter_async_context(
                    self._store.open(state_key(tenant, name))
                )
            except ObjectNotFoundError:
                yield None
                return
            head, first = await _head(opened.chunks)
            is_there = head is not None and self._clock() < head.saved_at + self._max_age
            yield _chained(first, opened.chunks) if is_there else None

    async def save(
        self, tenant: str, name: str, chunks: AsyncIterable[bytes], *, max_bytes: int
    ) -> None:
        """Keep a workspace, in place of what was kept under this name.

        Raises:
            ValueError: As `open`.
            ObjectTooLargeError: It is larger than `max_bytes`; the former one is kept.
            StorageUnavailableError: The former one is kept, or this one whole.
            Exception: Whatever `chunks` raises passes through; the former one is kept.
        """
        # Read before the bytes are sent: it never expires in the bucket before it does here.
        head = _Head(saved_at=self._clock()).model_dump_json().encode() + b"\n"
        await self._store.put(
            state_key(tenant, name), _chained(head, chunks), max_bytes=len(head) + max_bytes
        )


async def _head(chunks: AsyncIterator[bytes]) -> tuple[_Head | None, bytes]:
    """Read the first line; return what it says, and what was read beyond it.

    What has no such line was written by somebody else, or by a later version: it counts as
    nothing, and is overwritten.
    """
    read = b""
    while b"\n" not in read and len(read) < MAX_HEAD_BYTES:
        chunk = await anext(chunks, b"")
        if not chunk:
            return None, b""
        read += chunk
    line, _, rest = read.partition(b"\n")
    try:
        return _Head.model_validate_json(line), rest
    except ValidationError:
        return None, b""


async def _chained(first: bytes, rest: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk
