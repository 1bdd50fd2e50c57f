"""The executor's frames as they come, and whether one is there already."""

import os
import select
from collections.abc import Iterator

from .frames import CHUNK_BYTES, Frame, FrameDecoder


class HostGoneError(Exception):
    """The executor closed the connection: nobody waits for this run any more."""


class Incoming:
    """Frames read from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []

    def waiting(self) -> bool:
        """Whether the executor has said anything that was not taken yet.

        Also of frames that came together with an earlier one: a descriptor alone would not
        tell of them.
        """
        return bool(self._frames or select.select([self.descriptor], [], [], 0)[0])

    def next(self) -> Frame:
        """Return the next frame, whenever it comes.

        Raises:
            HostGoneError: There is none any more.
            FrameError: What came is none.
        """
        while not self._frames:
            data = os.read(self.descriptor, CHUNK_BYTES)
            if not data:
                raise HostGoneError
            self._frames.extend(self._decoder.feed(data))
        return self._frames.pop(0)

    def __iter__(self) -> Iterator[Frame]:
        while True:
            yield self.next()
