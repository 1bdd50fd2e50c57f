"""Stored files: list, download, delete (librechat-contract 2.5, 2.6, 2.9)."""

from typing import Literal

from litestar import Controller, Response, delete, get, head
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_200_OK
from pydantic import BaseModel

from api.caller import Caller
from api.descriptions import DOWNLOAD_ERRORS, SESSION_ERRORS, DownloadOperation
from api.downloads import Download, download_headers
from api.errors import STORAGE_FAILURE, BadRequestError
from api.listing import Listing, list_files
from storage.errors import SessionNotFoundError, StoredFileNotFoundError
from storage.ids import is_id
from storage.records import FileEntry
from storage.sessions import Sessions


class SessionDeleted(BaseModel):
    """The session and its files are gone."""

    message: Literal["Session deleted successfully"]
    session_id: str


class FileController(Controller):
    """What was uploaded, and what programs have left behind."""

    tags = ("files",)

    @get(
        "/files/{session_id:str}",
        responses=SESSION_ERRORS,
        summary="List a session's files",
        opt={STORAGE_FAILURE: "Error fetching file information"},
    )
    async def list_session(
        self,
        session_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
        detail: FromQuery[str | None] = None,
    ) -> Listing:
        """List what the session ended with.

        `detail` is `simple` (object names), `summary` or `full` (objects), or `normalized`.
        """
        _check_ids(session_id)
        return list_files(await sessions.load(caller.tenant, session_id), detail)

    @get(
        "/download/{session_id:str}/{file_id:str}",
        operation_class=DownloadOperation,
        responses=DOWNLOAD_ERRORS,
        summary="Download a file",
        opt={STORAGE_FAILURE: "Error downloading file"},
    )
    async def download(
        self,
        session_id: FromPath[str],
        file_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
    ) -> Download:
        """Send the file as an attachment."""
        entry = await _find(sessions, caller, session_id, file_id)
        return Download(sessions, caller.tenant, entry)

    @head(
        "/download/{session_id:str}/{file_id:str}",
        summary="Ask about a file",
        opt={STORAGE_FAILURE: "Error downloading file"},
    )
    async def ask_about_download(
        self,
        session_id: FromPath[str],
        file_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
    ) -> Response[None]:
        """Answer with the headers of a download."""
        entry = await _find(sessions, caller, session_id, file_id)
        # No media type beside the header: the framework would try to write "no body" in it.
        return Response(None, headers=download_headers(entry))

    @delete(
        "/sessions/{session_id:str}",
        status_code=HTTP_200_OK,
        responses=SESSION_ERRORS,
        summary="Delete a session and its files",
        opt={STORAGE_FAILURE: "Error deleting session"},
    )
    async def delete_session(
        self,
        session_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
    ) -> SessionDeleted:
        """Delete every file of the session, and its record. There is no way back."""
        _check_ids(session_id)
        await sessions.delete(caller.tenant, session_id)
        return SessionDeleted(message="Session deleted successfully", session_id=session_id)


def _check_ids(*ids: str) -> None:
    if not all(map(is_id, ids)):
        raise BadRequestError("Bad request", "Ids are 21 letters, digits, `_` and `-`.")


async def _find(sessions: Sessions, caller: Caller, session_id: str, file_id: str) -> FileEntry:
    _check_ids(session_id, file_id)
    try:
        return await sessions.find_file(caller.tenant, session_id, file_id)
    except SessionNotFoundError as fault:
        # One answer for both: a download's client asks for a file, not for a session.
        raise StoredFileNotFoundError(session_id, file_id) from fault
