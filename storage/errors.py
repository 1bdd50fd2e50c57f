"""What can go wrong when we keep bytes.

* StorageError
  * ObjectNotFoundError        the key does not exist
  * ObjectTooLargeError        more bytes than the caller allowed; nothing is kept
  * StorageUnavailableError    the backend failed; trying again may help
  * SessionNotFoundError       no such session for this tenant, or it has expired
  * StoredFileNotFoundError    the session has no such file, or the file has expired
  * RecordUnreadableError      a record's bytes are not a record; a bug or a foreign writer
  * BucketUnavailableError     in `storage.bucket`: the bucket cannot be administered
"""


class StorageError(Exception):
    """Any failure raised by this package."""


class ObjectNotFoundError(StorageError):
    """No object is stored under the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object at {key!r}")
        self.key = key


class ObjectTooLargeError(StorageError):
    """The body held more bytes than the caller allowed."""

    def __init__(self, key: str, *, max_bytes: int) -> None:
        super().__init__(f"object at {key!r} is larger than {max_bytes} bytes")
        self.key = key
        self.max_bytes = max_bytes


class StorageUnavailableError(StorageError):
    """The backend did not answer, or answered with a fault of its own."""


class SessionNotFoundError(StorageError):
    """The tenant has no such session, or it has expired: the two are not told apart."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}")
        self.session_id = session_id


class StoredFileNotFoundError(StorageError):
    """The session exists, but has no such file, or the file has expired."""

    def __init__(self, session_id: str, file_id: str) -> None:
        super().__init__(f"no file {file_id!r} in session {session_id!r}")
        self.session_id = session_id
        self.file_id = file_id


class RecordUnreadableError(StorageError):
    """A stored record cannot be understood by this version."""
