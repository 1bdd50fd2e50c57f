"""Where the shared files come from: a folder of this host, or of a bucket for all hosts."""

import asyncio
import logging

from executor.pool import WarmPool
from executor.sandbox import SandboxEngine
from executor.settings import ExecutorSettings
from executor.shared_assets import (
    MAX_TOTAL_BYTES,
    AssetArchive,
    SharedAssetsError,
    pack,
    pack_files,
)
from storage.errors import ObjectNotFoundError, StorageUnavailableError
from storage.s3_folder import ListedFile, S3Folder

REFRESH_S = 60.0
"""How often a bucket is looked at, at the least."""

_log = logging.getLogger(__name__)


class AssetSource:
    """Reads the files once; those of a bucket again whenever they have changed."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._path = settings.shared_assets_path
        self._interval_s = min(REFRESH_S, settings.cleanup_interval_minutes * 60)
        self._folder: S3Folder | None = None
        self._listed: list[ListedFile] = []
        if place := settings.shared_assets_in_s3:
            self._folder = S3Folder(settings, bucket=place.bucket, prefix=place.prefix)

    def first(self) -> AssetArchive:
        """Return the files as they are now. Blocks.

        Raises:
            SharedAssetsError: They cannot be had, or are too large.
        """
        if self._folder is None:
            return pack(self._path)
        try:
            archive = asyncio.run(self._changed(self._folder))
        except (StorageUnavailableError, ObjectNotFoundError) as fault:
            raise SharedAssetsError(
                f"SHARED_ASSETS_PATH: what is in the bucket cannot be read: {fault}. Does it"
                " exist, and may the service's key list and read it?"
            ) from fault
        return archive or pack_files({})

    async def follow(self, engine: SandboxEngine, pool: WarmPool) -> None:
        """Have sandboxes share the files anew whenever they have changed, until cancelled.

        Those of a folder of this host are as they were at the start; then it returns at once.
        """
        trouble = ""
        while self._folder is not None:
            await asyncio.sleep(self._interval_s)
            try:
                archive = await self._changed(self._folder)
            except (StorageUnavailableError, ObjectNotFoundError, SharedAssetsError) as fault:
                if str(fault) != trouble:
                    _log.warning("shared assets stay as they are: %s", fault)
                trouble = str(fault)
            else:
                trouble = ""
                if archive is not None:
                    _log.info("shared assets have changed: %d files", len(self._listed))
                    engine.use_assets(archive)
                    pool.renew()

    async def _changed(self, folder: S3Folder) -> AssetArchive | None:
        """Return the files if they are not those of last time."""
        listed = await folder.listed()
        if listed == self._listed:
            return None
        if sum(file.size_bytes for file in listed) > MAX_TOTAL_BYTES:
            text = f"SHARED_ASSETS_PATH: the bucket has more than {MAX_TOTAL_BYTES} bytes there"
            raise SharedAssetsError(text)
        archive = pack_files({file.name: await folder.read(file.name) for file in listed})
        self._listed = listed
        return archive
