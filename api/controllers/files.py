"""Stored files: list, describe, download, delete (librechat-contract 2.5 to 2.9)."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from litestar import Controller, HttpMethod, Request, Response, delete, get, head
from litestar.di import NamedDependency, Provide
from litestar.status_codes import HTTP_200_OK
from pydantic import BaseModel

from api.allowed_methods import allowing
from api.caller import Caller
from api.described_downloads import HEAD_ERRORS, DownloadHeadOperation, DownloadOperation
from api.descriptions import FILE_ERRORS, SESSION_ERRORS
from api.downloads import Download, download_headers
from api.errors import STORAGE_FAILURE, BadRequestError
from api.listing import Listing, ObjectMetadata, list_files
from api.paging import AskedListing, provide_asked_listing
from api.parameters import EntityId, Kind, PathId, ResourceId, Version
from api.rate_limits import RATE_BUCKET
from api.scopes import AskedScope, read_scope, require_use
from storage.errors import SessionNotFoundError, StoredFileNotFoundError
from storage.ids import is_id
from storage.records import FileEntry
from storage.sessions import Sessions, file_of


class SessionDeleted(BaseModel):
    """The session and its files are gone."""

    message: Literal["Session deleted successfully"]
    session_id: str


class FileDeleted(BaseModel):
    """The file is gone."""

    message: Literal["File deleted successfully"]
    session_id: str
    fileId: str  # noqa: N815 - the contract's key


def provide_asked(
    request: Request[Any, Any, Any],
    kind: Kind = None,
    resource_id: ResourceId = None,
    version: Version = None,
    entity_id: EntityId = None,
) -> AskedScope:
    """Read whose the client says that the session is (librechat-contract 2.0)."""
    _check_ids(*request.path_params.values())
    return read_scope(
        {"kind": kind, "id": resource_id, "version": version, "entity_id": entity_id}
    )


class FileController(Controller):
    """What was uploaded, and what programs have left behind.

    `kind`, `id`, `version` and `entity_id` say for whom a session was made. They may be left
    out by the user who made it, and by whoever has a key of the tenant.
    """

    tags = ("files",)
    options_of_downloads = allowing(
        "/download/{session_id:str}/{file_id:str}", HttpMethod.GET, HttpMethod.HEAD
    )
    dependencies = {"asked": Provide(provide_asked, sync_to_thread=False)}  # noqa: RUF012 - Litestar's

    @get(
        "/files/{session_id:str}",
        dependencies={"listing": Provide(provide_asked_listing, sync_to_thread=False)},
        responses=SESSION_ERRORS,
        summary="List a session's files",
        opt={STORAGE_FAILURE: "Error fetching file information", RATE_BUCKET: "list"},
    )
    async def list_session(
        self,
        session_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
        listing: NamedDependency[AskedListing],
    ) -> Response[Listing]:
        """List what the session ended with.

        `detail` is `simple` (object names), `summary` or `full` (objects), or `normalized`.
        With `limit`, at most so many (1 to 1000), those behind the file whose id is `after`;
        where there are more, the header `Link` names the next page (RFC 8288). Without, all.
        """
        record = await sessions.load(caller.tenant, session_id)
        require_use(caller, record, asked)
        files, link = listing.cut(record.files)
        return Response(list_files(record.session_id, files, listing.detail), headers=link)

    @get(
        "/sessions/{session_id:str}/objects/{file_id:str}",
        responses=FILE_ERRORS,
        summary="Describe a file",
        opt={STORAGE_FAILURE: "Error fetching object metadata", RATE_BUCKET: "list"},
    )
    async def describe_file(
        self,
        session_id: PathId,
        file_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
    ) -> ObjectMetadata:
        """Say what the file is called and when it was stored."""
        entry = await _find(sessions, caller, asked, session_id, file_id)
        return ObjectMetadata.of(session_id, entry)

    @get(
        "/download/{session_id:str}/{file_id:str}",
        operation_class=DownloadOperation,
        responses=FILE_ERRORS,
        summary="Download a file",
        opt={STORAGE_FAILURE: "Error downloading file", RATE_BUCKET: "download"},
    )
    async def download(
        self,
        session_id: PathId,
        file_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
    ) -> Download:
        """Send the file as an attachment.

        A file is there as soon as its upload or its run was answered, so nothing is waited
        for: what is not there yet is not found.
        """
        entry = await _find(sessions, caller, asked, session_id, file_id)
        return Download(sessions, caller.tenant, entry)

    @head(
        "/download/{session_id:str}/{file_id:str}",
        operation_class=DownloadHeadOperation,
        responses=HEAD_ERRORS,
        summary="Ask about a file",
        opt={STORAGE_FAILURE: "Error downloading file", RATE_BUCKET: "download"},
    )
    async def ask_about_download(
        self,
        session_id: PathId,
        file_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
    ) -> Response[None]:
        """Answer with the headers of a download."""
        entry = await _find(sessions, caller, asked, session_id, file_id)
        # No media type beside the header: the framework would try to write "no body" in it.
        return Response(None, headers=download_headers(entry))

    @delete(
        "/files/{session_id:str}/{file_id:str}",
        status_code=HTTP_200_OK,
        responses=FILE_ERRORS,
        summary="Delete a file",
        opt={STORAGE_FAILURE: "Error deleting file"},
    )
    async def delete_file(
        self,
        session_id: PathId,
        file_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
    ) -> FileDeleted:
        """Delete the file. There is no way back.

        Asked for an input under the session of a run, it takes it off that session and
        leaves it where it was uploaded.
        """
        check = partial(require_use, caller, asked=asked)
        with _only_files_are_missing(session_id, file_id):
            await sessions.delete_file(caller.tenant, session_id, file_id, check=check)
        return FileDeleted(
            message="File deleted successfully", session_id=session_id, fileId=file_id
        )

    @delete(
        "/sessions/{session_id:str}",
        status_code=HTTP_200_OK,
        responses=SESSION_ERRORS,
        summary="Delete a session and its files",
        opt={STORAGE_FAILURE: "Error deleting session"},
    )
    async def delete_session(
        self,
        session_id: PathId,
        caller: NamedDependency[Caller],
        asked: NamedDependency[AskedScope],
        sessions: NamedDependency[Sessions],
    ) -> SessionDeleted:
        """Delete every file of the session, and its record. There is no way back."""
        check = partial(require_use, caller, asked=asked)
        await sessions.delete(caller.tenant, session_id, check=check)
        return SessionDeleted(message="Session deleted successfully", session_id=session_id)


def _check_ids(*ids: str) -> None:
    if not all(map(is_id, ids)):
        raise BadRequestError("Bad request", "Ids are 21 letters, digits, `_` and `-`.")


async def _find(
    sessions: Sessions, caller: Caller, asked: AskedScope, session_id: str, file_id: str
) -> FileEntry:
    with _only_files_are_missing(session_id, file_id):
        record = await sessions.load(caller.tenant, session_id)
        require_use(caller, record, asked)
        entry = file_of(record, file_id)
        await sessions.confirm(caller.tenant, session_id, [entry])
    return entry


@contextmanager
def _only_files_are_missing(session_id: str, file_id: str) -> Generator[None, None, None]:
    """Give one answer for both: the client asks for a file, not for a session."""
    try:
        yield
    except SessionNotFoundError as fault:
        raise StoredFileNotFoundError(session_id, file_id) from fault
