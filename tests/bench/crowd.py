"""Many requests that wait for their answers, and cost the bench nothing while they do."""

import resource
import select
import socket
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tests.bench.client import exec_body
from tests.bench.reports import BenchError

SPARE_DESCRIPTORS = 200

_BUSY_S = 60
"""How long the programs sleep that keep the executor busy; nobody waits for their end."""

_HEAD_START_S = 1.0
"""They must have begun before the others come."""


@contextmanager
def crowd(
    address: str, key: str, *, count: int, busy: int
) -> Generator[Callable[[], int], None, None]:
    """Have `count` requests wait for a turn, behind `busy` programs that do not end.

    Leaving hangs all of them up, which cancels their runs.

    Gives:
        A function that says how many have been answered. None should be.

    Raises:
        BenchError: The service takes no more connections, or we may not open so many.
    """
    _allow_descriptors(count + busy + SPARE_DESCRIPTORS)
    parts = urlsplit(address)
    place = (parts.hostname or "", parts.port or 80)
    sleeping = _request(address, key, "bash", f"sleep {_BUSY_S}")
    hello = _request(address, key, "py", 'print("hello")')
    with ExitStack() as stack:
        lines: list[socket.socket] = []
        for number, request in enumerate([*[sleeping] * busy, *[hello] * count]):
            if number == busy:
                time.sleep(_HEAD_START_S)
            try:
                line = stack.enter_context(socket.create_connection(place, timeout=30))
                line.sendall(request)
            except OSError as fault:
                raise BenchError(f"connection {len(lines) + 1}: {fault}") from fault
            lines.append(line)
        yield lambda: _answered(lines)


def _request(address: str, key: str, lang: str, code: str) -> bytes:
    body = exec_body(lang, code)
    parts = urlsplit(address)
    head = (
        f"POST {parts.path.rstrip('/')}/exec HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"X-API-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answered(lines: Sequence[socket.socket]) -> int:
    poll = select.poll()
    for line in lines:
        poll.register(line, select.POLLIN)
    return len(poll.poll(0))


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise BenchError(f"{count} open files are needed, and {hard} allowed (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
