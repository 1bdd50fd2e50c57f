"""Wakes a sleeping `select` when a signal comes."""

import signal
import socket
from typing import Self


class SignalBell:
    """Readable as soon as a signal has come, for `select`. A context manager.

    Python runs a handler between two of its own steps. A signal that comes after the last
    such step before `select` sleeps would wait there with it, for as long as that sleeps; the
    byte that the C handler writes here wakes it.
    """

    def __enter__(self) -> Self:
        """Listen; needs the main thread."""
        self._reader, writer = socket.socketpair()
        self._writer = writer
        writer.settimeout(0)
        self._before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_fault: object) -> None:
        """Give the place back to whoever listened before."""
        signal.set_wakeup_fd(self._before)
        self._writer.close()
        self._reader.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._reader.fileno()
