"""Makes the bucket ready beside the requests, for as long as that takes."""

import asyncio
import logging

from storage.bucket import BucketAccessDeniedError, BucketAdmin, BucketUnavailableError
from storage.errors import StorageUnavailableError
from storage.ports import ObjectStore
from storage.settings import StorageSettings

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


async def make_bucket_ready(settings: StorageSettings, store: ObjectStore) -> None:
    """Create the bucket and its expiry rule; ends once both are there.

    Storage that does not answer is asked again for ever: the API serves meanwhile, and says
    in `/health` that storage is down. Each new trouble is told once.
    """
    admin = BucketAdmin(settings)
    pause_s = FIRST_PAUSE_S
    told = ""
    try:
        while True:
            trouble = await asyncio.to_thread(_prepare, admin)
            if trouble is None:
                logger.info("bucket %s is ready", settings.s3_bucket)
                return
            if str(trouble) != told:
                told = str(trouble)
                logger.warning("%s", told)
            if isinstance(trouble, BucketAccessDeniedError) and await _answers(store):
                logger.warning(
                    "bucket %s can be used; whoever owns it must see to its expiry rule",
                    settings.s3_bucket,
                )
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    finally:
        admin.close()


def _prepare(admin: BucketAdmin) -> BucketUnavailableError | None:
    try:
        admin.ensure_bucket()
        admin.ensure_expiry_rule()
    except BucketUnavailableError as fault:
        return fault
    return None


async def _answers(store: ObjectStore) -> bool:
    try:
        await store.check()
    except StorageUnavailableError:
        return False
    return True
