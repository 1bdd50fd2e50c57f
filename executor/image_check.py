"""Compares the sandbox image with what this executor expects of it, once at the start."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from executor.image_version import LABEL, mismatch, supervisor_digest
from executor.sandbox import SandboxUnavailableError

ASK_AGAIN_S = 5.0

_log = logging.getLogger(__name__)


class ImageCheck:
    """Knows the image's version, as soon as the engine has told it."""

    def __init__(self, image: str, labels: Callable[[], Mapping[str, str]]) -> None:
        """Begin without knowing.

        Args:
            image: The image's name.
            labels: Asks the engine for what the image says of itself; may block, and raise
                `SandboxUnavailableError`.
        """
        self._image = image
        self._labels = labels
        self.version = ""

    async def check(self) -> None:
        """Ask the engine until it answers; tell the log what is not as expected."""
        while True:
            try:
                labels = await asyncio.to_thread(self._labels)
            except SandboxUnavailableError:
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                break
        self.version = labels.get(LABEL, "")
        if problem := mismatch(self._image, labels, supervisor_digest()):
            _log.warning("%s", problem)
