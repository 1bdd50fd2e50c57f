"""The audit log: who ran what, and what came of it, as JSON lines; a file for each tenant.

A line has the SHA-256 of a program and sizes, never the program, what it printed, the names
of its files or a key. It is written before the answer goes out, in one write to a file that is
opened for it (`O_APPEND`): rotation may move the file away at any moment.
"""

import errno
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from api.caller import Caller
from api.outcomes import told
from executor.messages import Failed, Finished, RunReport, RunRequest
from executor.tool_messages import RoundRequest
from storage.configuration import ConfigurationError
from telemetry.ids import current_request_id

logger = logging.getLogger(__name__)

Field = str | int | bool | None


def prepare_folder(folder: Path) -> None:
    """Make the folder, and see that lines can be written in it.

    A line that is lost later stops no run; but whoever starts a service without the log that
    they asked for should know before it has run anything.

    Raises:
        ConfigurationError: They cannot.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as fault:
        raise _no_folder(folder, fault.strerror or "it cannot be made") from fault
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _no_folder(folder, "this user may not write there")


def _no_folder(folder: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"AUDIT_LOG_DIR: nothing can be written in {folder}: {why}. Make the folder and give it"
        " to the user of the API, or choose another"
    )


class AuditLog:
    """Writes lines below one folder."""

    def __init__(self, folder: Path, *, failed: Callable[[], None] | None = None) -> None:
        """Write below `folder`, which is made; call `failed` for each line that is lost."""
        self._folder = folder
        self._failed = failed

    def run_ended(
        self, request: RunRequest, outcome: str, report: RunReport | None, *, began_at: float
    ) -> None:
        """Note that a run has ended, or its first round; `began_at` is Unix time, seconds."""
        code = request.code.encode(errors="surrogatepass")
        # Another one, where the run had to be begun again: that is where its files are.
        session_id = (report and report.session_id) or request.session_id
        self._add(
            request.tenant,
            {
                "event": "run",
                "tenant_class": request.tenant_class,
                "user": request.user,
                "user_is_proven": request.user_is_proven,
                "run_id": request.run_id,
                "session_id": session_id,
                "language": request.language,
                "code_sha256": sha256(code).hexdigest(),
                "code_bytes": len(code),
                "inputs": len(request.inputs),
                "input_bytes": sum(entry.size_bytes for entry in request.inputs),
                "tools": None if request.tools is None else len(request.tools),
                "outcome": outcome,
                **_what_came(report),
            },
            began_at,
        )

    async def watched_round(
        self,
        caller: Caller,
        session_id: str,
        request: RoundRequest,
        working: Awaitable[RunReport],
    ) -> RunReport:
        """Wait for a later round of a program that calls tools, and note how it ended."""
        began_at = time.time()
        about: dict[str, Field] = {
            "event": "round",
            "tenant_class": caller.tenant_class,
            "user": caller.user,
            "user_is_proven": caller.user_is_proven,
            "run_id": request.held_run_id,
            "round_id": request.run_id,
            "session_id": session_id,
            "results": len(request.results),
        }

        def ended(outcome: str, report: RunReport | None) -> None:
            line = {**about, "outcome": outcome, **_what_came(report)}
            self._add(caller.tenant, line, began_at)

        return await told(working, ended)

    def _add(self, tenant: str, fields: dict[str, Field], began_at: float) -> None:
        line: dict[str, Field] = {
            "time": datetime.now(UTC).isoformat(),
            "tenant": tenant,
            "request_id": current_request_id(),
            **fields,
            "took_ms": round((time.time() - began_at) * 1000),
        }
        try:
            self._append(tenant, json.dumps(line).encode() + b"\n")
        except OSError as fault:
            logger.error(  # noqa: TRY400 - a full disk is no bug
                "a line of the audit log is lost: %s", fault.strerror
            )
            if self._failed is not None:
                self._failed()

    def _append(self, tenant: str, line: bytes) -> None:
        # A tenant is 1 to 64 of `A-Za-z0-9_-` (`storage.sessions`), so it is a file's name.
        path = self._folder / f"{tenant}.jsonl"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o640)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o640)
        try:
            if _is_torn(descriptor):
                line = b"\n" + line
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def _is_torn(descriptor: int) -> bool:
    """Whether the last line breaks off: a disk that becomes full takes a part of one."""
    size_bytes = os.fstat(descriptor).st_size
    return size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\n"


def _what_came(report: RunReport | None) -> dict[str, Field]:
    result = None if report is None else report.result
    if result is None or isinstance(result, Failed):
        return {}
    told: dict[str, Field] = {
        "stdout_bytes": len(result.stdout.encode(errors="surrogatepass")),
        "stderr_bytes": len(result.stderr.encode(errors="surrogatepass")),
    }
    if not isinstance(result, Finished):
        return {**told, "calls": len(result.calls)}
    return {
        **told,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "program_ms": result.wall_time_ms,
        "files": len(result.files),
        "file_bytes": sum(entry.size_bytes for entry in result.files),
        "files_deleted": len(result.deleted_files),
        "files_skipped": result.skipped_count,
    }
