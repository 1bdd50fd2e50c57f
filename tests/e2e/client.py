"""LibreChat's client of one generation, as a process that is told what to do."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from infra.local.clients import NODE, SOURCES, ensure_clients


@dataclass(frozen=True, slots=True)
class Generation:
    """What one version of `@librechat/agents` can do (librechat-contract 7.1)."""

    version: str
    packages: str
    """In which of the two sets of packages it is."""
    auth: str
    """How LibreChat lets it in: the key as an `option`, the key in the `url`, or a `token`."""

    def __str__(self) -> str:
        """Name it in test ids."""
        return self.version


GENERATIONS = (
    Generation("2.4.46", "legacy", "option"),
    Generation("3.1.63", "legacy", "option"),
    Generation("3.1.77", "modern", "url"),
    Generation("3.1.86", "modern", "token"),
    Generation("3.2.21", "modern", "token"),
    Generation("3.6.15", "modern", "token"),
    Generation("3.9.2", "modern", "token"),
)

OLDEST, NEWEST = GENERATIONS[0], GENERATIONS[-1]
FIRST_WITH_TOKENS = GENERATIONS[3]


class ClientError(Exception):
    """The client threw; the text is what the model would be shown."""


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """A script that takes a request a line and gives an answer a line."""

    process: "subprocess.Popen[str]"

    def ask(self, op: str, **request: Any) -> Any:
        """Have something done; return what came of it, or raise `ClientError`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps({'op': op, **request})}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the script has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["result"]


@contextlib.contextmanager
def running_script(
    script: str, packages: str, *args: str, **environment: str
) -> Generator[NodeProcess]:
    """Start a script of `clients/` on one of the two sets of packages."""
    ours = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    folder = ensure_clients() / packages
    with subprocess.Popen(
        (NODE, SOURCES / script, folder, *args),
        env={**ours, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield NodeProcess(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Client:
    """A running one."""

    generation: Generation
    address: str
    node: NodeProcess
    options: Callable[[], dict[str, Any]]
    """Makes what every tool is created with: its credentials, with a new token each time."""

    def call(self, args: dict[str, Any], *, tool: str = "code", **extra: Any) -> Any:
        """Call a tool as LibreChat does; `extra` is what it adds to what the model says."""
        return self.node.ask("call", tool=tool, options=self.options(), args=args, extra=extra)

    def turn(self, conversation: str, code: str, **more: Any) -> Any:
        """Run Python as the next step of a conversation.

        An error is no exception here: it is text for the model, as everything else.
        """
        args = {"lang": "py", "code": code}
        request = {"conversation": conversation, "options": self.options(), "args": args}
        return self.node.ask("turn", **request, **more)

    def remembered(self, conversation: str) -> dict[str, Any]:
        """Return the files that it will send with the next turn, by name."""
        files = self.node.ask("remembered", conversation=conversation)
        return {file["name"]: file for file in files}


@contextlib.contextmanager
def running_client(
    generation: Generation,
    address: str,
    credential: str | Callable[[], str],
    *,
    auth: str | None = None,
    **options: Any,
) -> Generator[Client]:
    """Start a client of the service at `address` (as `http://127.0.0.1:8095/v1`).

    `credential` is a key, or what makes a token; `auth` a way to give it that is not the
    generation's own.
    """
    auth = auth or generation.auth
    base = address.replace("://", f"://{credential}@") if auth == "url" else address

    def made() -> dict[str, Any]:
        if callable(credential):
            return {**options, "token": credential()}
        return {**options, "apiKey": credential} if auth == "option" else options

    version = generation.version.replace(".", "-")
    with running_script(
        "drive.cjs", generation.packages, version, LIBRECHAT_CODE_BASEURL=base
    ) as node:
        yield Client(generation, base, node, made)
