"""What we remember of a session: who made it, and which files it ended with."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

ID_PATTERN = r"^[A-Za-z0-9_-]{21}$"
"""Session and file ids: LibreChat's download route refuses any other shape
(librechat-contract 2.0)."""

FileId = Field(pattern=ID_PATTERN)


class FileReference(BaseModel):
    """Where a file's bytes are: the pair that clients hold."""

    model_config = ConfigDict(frozen=True)

    id: str = FileId
    storage_session_id: str = FileId


class FileEntry(BaseModel):
    """One file of a session."""

    model_config = ConfigDict(frozen=True)

    id: str = FileId
    name: str
    """Path relative to `/mnt/data`, `/`-separated, at most 256 characters."""
    storage_session_id: str = FileId
    """The session under whose prefix the bytes are; another one's if `inherited`."""
    size_bytes: int = Field(ge=0)
    sha256: str
    etag: str
    content_type: str
    created_at: AwareDatetime
    """When the bytes were stored (UTC). Expiry counts from here."""
    read_only: bool = False
    inherited: bool = False
    """An input that the program left as it was."""
    modified_from: FileReference | None = None
    """The input that this file is a changed version of."""
    entity_id: str | None = None
    """Given on the reference of an input, echoed in the answer (librechat-contract 2.2)."""


class Scope(BaseModel):
    """Whom a session was made for (librechat-contract 3.2)."""

    model_config = ConfigDict(frozen=True)

    kind: str = "user"
    id: str | None = None
    version: int | None = None
    entity_id: str | None = None


class SessionRecord(BaseModel):
    """What `{tenant}/{session_id}/record.json` holds.

    Written after the files, and changed only when one of them is deleted.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    session_id: str = FileId
    origin: Literal["upload", "execution"]
    user: str
    """Who created it, as the credentials name them."""
    scope: Scope = Scope()
    created_at: AwareDatetime
    files: tuple[FileEntry, ...] = ()
    inputs: tuple[FileEntry, ...] = ()
    """Of an execution: those inputs that are not among `files`, because the program changed or
    removed them, or because of the cap. Clients may still name them under this session
    (librechat-contract 7.3, item 5)."""
