"""Calls of an OCI runtime's command (`runc`, `crun`), and the process that it leaves behind."""

import asyncio
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.sandbox import SandboxUnavailableError

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0
"""After SIGKILL. The kernel frees what the sandbox held within that."""

MAX_COMPLAINT_CHARS = 300

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of what runtimes leave behind: prctl(2), PR_SET_CHILD_SUBREAPER.

    A runtime starts a sandbox and ends. Not every machine's first process collects the dead.

    Raises:
        OSError: The kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """The first process of a sandbox; the kernel ends all others with it."""

    pid: int
    descriptor: int
    """Of the process (pidfd_open(2)): a pid may be somebody else's by now, this may not."""

    async def end(self) -> None:
        """Kill it, and wait until it has ended. Once.

        Raises:
            TimeoutError: It has not after `END_TIMEOUT_S`.
        """
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
            async with asyncio.timeout(END_TIMEOUT_S):
                await _readable(self.descriptor)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222 - it has ended
        finally:
            os.close(self.descriptor)


async def _readable(descriptor: int) -> None:
    if select.select([descriptor], [], [], 0)[0]:
        return
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_reader(descriptor, seen.set)
    try:
        await seen.wait()
    finally:
        loop.remove_reader(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class OciRuntime:
    """One runtime command and the folder in which it keeps its state."""

    command: str
    state: Path

    def start(
        self, name: str, folder: Path, config: dict[str, Any], end: socket.socket
    ) -> Init:
        """Start a sandbox with `end` as its standard input and output. Blocks for 25 to 50 ms.

        What is started outlives the runtime's process. Of a failed start nothing is left but
        what `forget` removes.

        Raises:
            SandboxUnavailableError: The runtime is not there, or refuses.
        """
        folder.mkdir(parents=True, mode=0o700)
        (folder / "config.json").write_text(json.dumps(config, separators=(",", ":")))
        pid_file, log = folder / "pid", folder / "log"
        command = [self.command, "--root", str(self.state), "--log", str(log)]
        command += [
            "run",
            "--detach",
            "--bundle",
            str(folder),
            "--pid-file",
            str(pid_file),
            name,
        ]
        try:
            # Standard error would be the sandbox's as well: a file could be filled through it,
            # a pipe would keep us waiting.
            done = subprocess.run(  # noqa: S603 - nothing in it comes from a request
                command,
                stdin=end.fileno(),
                stdout=end.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                timeout=START_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise SandboxUnavailableError(f"{self.command}: {fault}") from fault
        if done.returncode != 0:
            raise SandboxUnavailableError(f"{self.command}: {_complaint(log)}")
        try:
            pid = int(pid_file.read_text())
            return Init(pid=pid, descriptor=os.pidfd_open(pid))
        except (OSError, ValueError) as fault:
            raise SandboxUnavailableError(f"{self.command}: {name} ended at once") from fault

    def forget(self, name: str, folder: Path) -> None:
        """Remove what is kept of a sandbox that has ended. May be repeated.

        The runtime's own `delete` does no more than this for a sandbox whose process and
        cgroup are gone, but takes 15 ms, and 110 ms where it has to kill (runc 1.1.5).
        """
        shutil.rmtree(self.state / name, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _complaint(log: Path) -> str:
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "it failed and did not say why"
    lines = [
        line for line in text.splitlines() if "level=error" in line or "level=fatal" in line
    ]
    return (lines or text.splitlines() or ["it failed and did not say why"])[-1][
        :MAX_COMPLAINT_CHARS
    ]
