"""Files that an operator keeps in a bucket, for every host to read."""

from typing import NamedTuple

import obstore

from storage.s3 import read_client
from storage.s3_faults import translated_faults
from storage.settings import StorageSettings


class ListedFile(NamedTuple):
    """What a listing says of a file."""

    name: str
    """Relative to the folder."""
    size_bytes: int
    etag: str
    """Another one for another content."""


class S3Folder:
    """Everything below a prefix of a bucket, read with the service's own credentials."""

    def __init__(self, settings: StorageSettings, *, bucket: str, prefix: str) -> None:
        """Open nothing yet. `prefix` is empty, or has a `/` at its end."""
        place = {"s3_bucket": bucket, "s3_prefix": prefix}
        self._client = read_client(settings.model_copy(update=place))

    async def listed(self) -> list[ListedFile]:
        """Return what is there, by name.

        Raises:
            StorageUnavailableError: The backend failed, or there is no such bucket.
        """
        with translated_faults(""):
            found = await obstore.list(self._client).collect_async()
        # Consoles make "folders" of objects whose keys end with a slash.
        files = [each for each in found if not each["path"].endswith("/")]
        listed = (ListedFile(each["path"], each["size"], each["e_tag"] or "") for each in files)
        return sorted(listed)

    async def read(self, name: str) -> bytes:
        """Return a file whole.

        Raises:
            ObjectNotFoundError: It is gone.
            StorageUnavailableError: The backend failed.
        """
        with translated_faults(name):
            found = await obstore.get_async(self._client, name)
            return (await found.bytes_async()).to_bytes()
