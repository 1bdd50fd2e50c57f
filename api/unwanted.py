"""Removes what failed uploads have left, once object storage answers again.

Nobody can reach it, and the bucket's rule would expire it: but that takes a day or two, and an
object store that stood still stores what it was sent when it goes on.
"""

import asyncio
import logging

from storage.errors import StorageError
from storage.sessions import Sessions

logger = logging.getLogger(__name__)

PAUSES_S = (0.0, 5.0, 20.0, 60.0, 300.0)
"""Before each attempt. What an API that ends leaves then is the rule's."""

_removing: set["asyncio.Task[None]"] = set()


def remove_later(sessions: Sessions, tenant: str, session_id: str) -> None:
    """Remove the files of a session that got no record. The client need not wait for it."""
    task = asyncio.create_task(_remove(sessions, tenant, session_id))
    _removing.add(task)  # Else it may be collected before its end.
    task.add_done_callback(_removing.discard)


async def _remove(sessions: Sessions, tenant: str, session_id: str) -> None:
    for pause_s in PAUSES_S:
        await asyncio.sleep(pause_s)
        try:
            await sessions.discard(tenant, session_id)
        except StorageError as fault:
            logger.info("session %s cannot be removed yet: %s", session_id, fault)
            continue
        if pause_s:  # At first something may still be on its way.
            return
    logger.warning("orphans of session %s may be left", session_id)
