"""`python -m executor.docker_proxy`: the engine's socket, for one executor's calls alone.

The executor talks to this process, and this one to the engine. It has the executor's settings
and none of its secrets, no network, and nothing to do but this (`docker_allowed`).

One connection carries one request, which is read here to its end and written anew: what the
engine reads is what was judged, and nothing can be hidden behind it.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qsl

from executor.docker_allowed import AllowedCalls
from executor.http_request import HttpRequest, MalformedRequestError, read_request
from executor.policy import SandboxPolicy
from executor.settings import ExecutorSettings
from storage.configuration import ConfigurationError, load_settings

PIECE_BYTES = 256 * 1024
REFUSAL = b'{"message":"Code Command makes no such call"}\n'

_log = logging.getLogger(__name__)


class DockerProxy:
    """Passes on what is allowed, and answers the rest with 403."""

    def __init__(self, engine: Path, allowed: AllowedCalls) -> None:
        self._engine = engine
        self._allowed = allowed

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen at `path`, where nothing may be; the process's umask says who may connect."""
        return await asyncio.start_unix_server(self._answer, path, limit=PIECE_BYTES)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            if request is None:
                return
            if self._is_allowed(request):
                await self._pass_on(request, reader, writer)
            else:
                _log.warning("refused: %s %s", request.method, request.path)
                writer.write(_refusal("403 Forbidden"))
                await writer.drain()
        except MalformedRequestError as fault:
            _log.warning("refused: %s", fault)
            with contextlib.suppress(OSError):
                writer.write(_refusal("400 Bad Request"))
                await writer.drain()
        except OSError as fault:
            _log.info("a connection broke: %s", fault)
        finally:
            writer.close()

    def _is_allowed(self, request: HttpRequest) -> bool:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        query = dict(pairs)
        if len(query) != len(pairs) or request.upgrades != request.path.endswith("/attach"):
            return False
        return self._allowed.allows(request.method, request.path, query, request.body)

    async def _pass_on(
        self, request: HttpRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Ask the engine. An attached connection goes on both ways, until either end closes."""
        from_engine, to_engine = await asyncio.open_unix_connection(
            self._engine, limit=PIECE_BYTES
        )
        try:
            to_engine.write(request.head())
            to_engine.write(request.body)
            await to_engine.drain()
            await _pump_exactly(request.unread_bytes, reader, to_engine)
            if not request.upgrades:
                await _pump(from_engine, writer)
                return
            head = await from_engine.readuntil(b"\r\n\r\n")
            status = head.partition(b"\r\n")[0].partition(b" ")[2].decode("ascii", "replace")
            if not status.startswith("101 "):
                # What came next would be a request of its own, and nobody would have judged it.
                writer.write(_refusal(status))
                await writer.drain()
                return
            writer.write(head)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, to_engine))
                both.create_task(_pump(from_engine, writer))
        except* asyncio.IncompleteReadError:
            _log.info("the engine ended a connection early")
        except* OSError as faults:
            _log.debug("an attached connection broke: %s", faults.exceptions[0])
        finally:
            to_engine.close()


async def _pump_exactly(
    count: int, source: asyncio.StreamReader, target: asyncio.StreamWriter
) -> None:
    while count and (data := await source.read(min(count, PIECE_BYTES))):
        count -= len(data)
        target.write(data)
        await target.drain()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass bytes on to their end, and the end too."""
    while data := await source.read(PIECE_BYTES):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


def _refusal(status: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(REFUSAL)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + REFUSAL


def allowed_calls(settings: ExecutorSettings) -> AllowedCalls:
    """Return what an executor with these settings may ask for."""
    large = max(settings.memory_limit, settings.memory_limit_large)
    return AllowedCalls(
        SandboxPolicy.from_settings(settings),
        owner=settings.code_executor_id,
        most_memory_bytes=large + 2 * settings.workspace_size_limit,
    )


async def _serve_until_told(engine: Path, listen: Path, allowed: AllowedCalls) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    server = await DockerProxy(engine, allowed).serve(listen)
    await told.wait()
    server.close()


def main() -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="executor.docker_proxy", description=__doc__)
    parser.add_argument("--engine", type=Path, default=Path("/var/run/docker.sock"))
    parser.add_argument("--listen", type=Path, required=True)
    options = parser.parse_args()
    try:
        settings = load_settings(ExecutorSettings)
    except ConfigurationError as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the log is not set up yet
        return 2
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    os.umask(0o117)  # The socket is never, not for a moment, everybody's.
    options.listen.unlink(missing_ok=True)
    asyncio.run(_serve_until_told(options.engine, options.listen, allowed_calls(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
