"""Stores the files of a form as a new session (librechat-contract 2.3 and 2.4)."""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.body import BodyTooSlowError
from api.caller import Caller
from api.destinations import DestinationError, Destinations
from api.errors import BadRequestError
from api.multipart_form import FilePart, FormField
from api.names import check_file_name
from api.scopes import AskedScope, read_scope
from api.unwanted import remove_later
from storage.content_types import content_type_of
from storage.errors import ObjectTooLargeError, StorageError, StorageUnavailableError
from storage.ids import new_id
from storage.records import FileEntry, SessionRecord
from storage.sessions import Sessions

logger = logging.getLogger(__name__)

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""RFC 6838 4.2. The type is sent back in a header, so nothing else may pass."""


MAX_BATCH_FILES = 200
"""librechat-contract 6.1."""

HOW_TO_SEND = "Send it as a form part that has a filename, such as `curl -F file=@data.csv`."
FILE_TOO_LARGE = "File size limit exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile:
    """What became of one file of a batch."""

    filename: str
    entry: FileEntry | None = None
    """`None`: it was refused."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of a batch."""

    files: tuple[BatchFile, ...]
    is_cut: bool
    """There were more than `MAX_BATCH_FILES`; the rest was dropped."""


@dataclass(slots=True)
class Upload:
    """A session being made. Nothing of it can be reached until it is saved."""

    caller: Caller
    sessions: Sessions
    max_file_bytes: int
    session_id: str = field(default_factory=new_id)
    _entries: list[FileEntry] = field(default_factory=list[FileEntry])
    _fields: dict[str, str] = field(default_factory=dict[str, str])
    _destinations: Destinations = field(default_factory=Destinations)

    async def receive(self, parts: AsyncIterator[FormField | FilePart]) -> SessionRecord:
        """Store every file of the form, then the record; the order of parts is free.

        Nothing is left behind if that fails. A form without a file makes an empty session.

        Raises:
            BadRequestError: A name, a field or the form is wrong.
            ObjectTooLargeError: A file is larger than allowed.
            StorageUnavailableError: Object storage failed; the client may try again.
            Exception: Whatever `parts` raises passes through.
        """
        async with self._all_or_nothing():
            async for part in parts:
                if isinstance(part, FormField):
                    self._fields[part.name] = part.value
                else:
                    self._check_name(part)
                    self._entries.append(await self._store(part))
            return await self._save(read_scope(self._fields))

    async def receive_batch(self, parts: AsyncIterator[FormField | FilePart]) -> Batch:
        """Store the files of the form that can be, then the record.

        A file that is refused does not stop the others. Without any there is no session. One
        that does not arrive in time is the last: what would come after it is behind it on the
        same line. The fields that have come until then count.

        Raises:
            BadRequestError: The form is wrong, or holds no file.
            BodyTooSlowError: It stopped coming, and in none of the files: an answer could
                name nothing that is missing.
            StorageUnavailableError: Object storage failed; the client may try again.
            Exception: Whatever `parts` raises passes through.
        """
        async with self._all_or_nothing():
            files, is_cut = await self._try_all(parts)
            if not files:
                raise BadRequestError("No files provided", HOW_TO_SEND)
            try:
                scope = read_scope(self._fields)
            except BadRequestError as fault:
                files = [
                    BatchFile(filename=file.filename, error=fault.answer.error)
                    for file in files
                ]
                self._entries.clear()
            else:
                if self._entries:
                    await self._save(scope)
        if not self._entries:
            await self._discard()
        return Batch(files=tuple(files), is_cut=is_cut)

    async def _try_all(
        self, parts: AsyncIterator[FormField | FilePart]
    ) -> tuple[list[BatchFile], bool]:
        """Read the form; return its files, and whether there were more."""
        files: list[BatchFile] = []
        is_cut = False
        try:
            async for part in parts:
                if isinstance(part, FormField):
                    self._fields[part.name] = part.value
                elif len(files) == MAX_BATCH_FILES:
                    is_cut = True
                else:
                    files.append(await self._try(part))
        except BodyTooSlowError:
            # What is left of a file that is refused or dropped is not worth the others.
            is_told = is_cut or (files and files[-1].entry is None)
            if not is_told:
                raise
        return files, is_cut

    async def _try(self, part: FilePart) -> BatchFile:
        try:
            self._check_name(part)
        except BadRequestError as fault:
            return BatchFile(filename=part.filename, error=fault.answer.error)
        try:
            entry = await self._store(part)
        except ObjectTooLargeError:
            # Whoever reads the form skips what is left of the part.
            return BatchFile(filename=part.filename, error=FILE_TOO_LARGE)
        except BodyTooSlowError as fault:
            # The form has ended with that: no part follows.
            return BatchFile(filename=part.filename, error=fault.answer.error)
        self._entries.append(entry)
        return BatchFile(filename=part.filename, entry=entry)

    def _check_name(self, part: FilePart) -> None:
        check_file_name(part.filename)
        try:
            # Else every run that is given both of them would be refused.
            self._destinations.add(part.filename)
        except DestinationError as fault:
            raise BadRequestError(str(fault)) from fault

    async def _store(self, part: FilePart) -> FileEntry:
        given = part.content_type or ""
        return await self.sessions.store_file(
            self.caller.tenant,
            self.session_id,
            name=part.filename,
            body=part.chunks,
            content_type=(
                given if _MEDIA_TYPE.fullmatch(given) else content_type_of(part.filename)
            ),
            max_bytes=self.max_file_bytes,
        )

    async def _save(self, scope: AskedScope) -> SessionRecord:
        read_only = self._fields.get("read_only", "").lower() == "true"
        files = tuple(
            entry.model_copy(update={"read_only": read_only}) for entry in self._entries
        )
        record = SessionRecord(
            session_id=self.session_id,
            origin="upload",
            user=self.caller.user,
            scope=scope.recorded(),
            # It expires with its first file.
            created_at=files[0].created_at if files else datetime.now(UTC),
            files=files,
        )
        await self.sessions.save(self.caller.tenant, record)
        return record

    @asynccontextmanager
    async def _all_or_nothing(self) -> AsyncGenerator[None, None]:
        try:
            yield
        except StorageUnavailableError:
            # It would keep the client waiting once more.
            remove_later(self.sessions, self.caller.tenant, self.session_id)
            raise
        except BaseException:
            await self._discard()
            raise

    async def _discard(self) -> None:
        try:
            await self.sessions.discard(self.caller.tenant, self.session_id)
        except StorageError as fault:
            # Without a record nobody reaches the files; the bucket's rule expires them.
            logger.warning("left orphans of session %s: %r", self.session_id, fault)
