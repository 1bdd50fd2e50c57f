"""How a session's files are listed (librechat-contract 2.5)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pydantic import BaseModel, Field

from storage.records import FileEntry

_ENDING = re.compile(r"\.[A-Za-z0-9]{1,16}")


class ListedFile(BaseModel):
    """One file, with every key that some generation of clients reads."""

    name: str = Field(description="Object key: `<session>/<file>.<ending>`.")
    id: str
    fileId: str = Field(description="The same as `id`.")  # noqa: N815 - the contract's key
    session_id: str = Field(description="The session that was listed.")
    storage_session_id: str = Field(
        description="Where the bytes are: another session's, if an input was left as it was."
    )
    size: int
    lastModified: str  # noqa: N815 - the contract's key
    etag: str
    contentType: str  # noqa: N815 - the contract's key
    metadata: dict[str, str] = Field(
        description="`content-type`, `original-filename`, `original-filename-encoded`."
    )


class NormalizedFile(BaseModel):
    """One file, in the newest form."""

    id: str
    name: str
    storage_session_id: str
    size: int
    contentType: str  # noqa: N815 - the contract's key
    lastModified: str  # noqa: N815 - the contract's key
    read_only: bool = Field(default=False, description="Left out where it is false.")


class ObjectMetadata(BaseModel):
    """One file, as LibreChat asks whether it is still fresh (librechat-contract 2.7)."""

    name: str = Field(description="Object key: `<session>/<file>.<ending>`.")
    originalFilename: str = Field(  # noqa: N815 - the contract's key
        description="The name it will have below /mnt/data."
    )
    size: int
    lastModified: str  # noqa: N815 - the contract's key
    etag: str
    contentType: str  # noqa: N815 - the contract's key
    readOnly: bool  # noqa: N815 - the contract's key

    @classmethod
    def of(cls, session_id: str, entry: FileEntry) -> "ObjectMetadata":
        """Describe a file under the session that it was asked for under."""
        return cls(
            name=_object_name(session_id, entry),
            originalFilename=entry.name,
            size=entry.size_bytes,
            lastModified=_javascript_date(entry.created_at),
            etag=entry.etag,
            contentType=entry.content_type,
            readOnly=entry.read_only,
        )


Listing = list[str] | list[ListedFile] | list[NormalizedFile]


def list_files(session_id: str, files: Sequence[FileEntry], detail: str | None) -> Listing:
    """List files that a session ended with, inherited inputs included.

    Older clients know only what a listing names (librechat-contract 7.3).
    """
    if detail in {"summary", "full"}:
        return [_listed(session_id, entry) for entry in files]
    if detail == "normalized":
        return [_normalized(entry) for entry in files]
    return [_object_name(session_id, entry) for entry in files]


def _object_name(session_id: str, entry: FileEntry) -> str:
    """Name a file under the session that was asked, wherever its bytes are.

    Clients take the file's id from it, as what lies between `/` and the first dot, and put
    it together with the session they have asked; others look for a name that begins with
    the session and the id they know. An inherited input is found under either session.
    """
    ending = "." + PurePosixPath(entry.name).name.rpartition(".")[2]
    has_ending = "." in PurePosixPath(entry.name).name and _ENDING.fullmatch(ending)
    return f"{session_id}/{entry.id}{ending if has_ending else ''}"


def _listed(session_id: str, entry: FileEntry) -> ListedFile:
    return ListedFile(
        name=_object_name(session_id, entry),
        id=entry.id,
        fileId=entry.id,
        session_id=session_id,
        storage_session_id=entry.storage_session_id,
        size=entry.size_bytes,
        lastModified=_javascript_date(entry.created_at),
        etag=entry.etag,
        contentType=entry.content_type,
        metadata={
            "content-type": entry.content_type,
            "original-filename": entry.name,
            "original-filename-encoded": "none",
        },
    )


def _normalized(entry: FileEntry) -> NormalizedFile:
    listed = NormalizedFile(
        id=entry.id,
        name=entry.name,
        storage_session_id=entry.storage_session_id,
        size=entry.size_bytes,
        contentType=entry.content_type,
        lastModified=_javascript_date(entry.created_at),
    )
    if entry.read_only:
        listed.read_only = True
    return listed


def _javascript_date(moment: datetime) -> str:
    return (
        moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    )
