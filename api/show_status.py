"""Shows hosts, pools and queues: what is behind `./code-command status`.

In a container, which has no such command: `python3 -m api.show_status`. On a terminal it goes
on until Ctrl-C; else it prints once. It exits with 1 where no program can be run.
"""

import json
import os
import sys
import time
from typing import NamedTuple, TextIO

from api.fleet_status import FleetStatus, FleetUnreachableError, read_fleet
from executor.signs_of_life import HEARTBEAT_INTERVAL_S, ExecutorStatus

CLEAR = "\x1b[H\x1b[2J"

_COLUMNS = (
    *("executor", "host", "engine", "runs", "of", "waiting", "loaded", "starting"),
    *("held", "removing", "made", "failed"),
)


class Fleet(NamedTuple):
    """Where it is asked."""

    broker_url: str
    result_url: str


def main() -> int:
    """Show what the environment's broker knows; return the exit code."""
    broker_url = os.environ.get("BROKER_URL")
    if not broker_url:
        print("BROKER_URL: is not set", file=sys.stderr)  # noqa: T201 - a command line
        return 2
    result_url = os.environ.get("RESULT_BACKEND_URL") or broker_url
    return show(Fleet(broker_url, result_url), as_json="--json" in sys.argv[1:])


def show(fleet: Fleet, *, as_json: bool, stream: TextIO = sys.stdout) -> int:
    """Show it, again and again on a terminal; return 0 if programs can be run."""
    if as_json:
        return _show_once(fleet, stream, as_json=True)
    if not stream.isatty():
        return _show_once(fleet, stream)
    code = 1
    try:
        while True:
            stream.write(CLEAR)
            code = _show_once(fleet, stream)
            stream.write("\nCtrl-C ends it.\n")
            stream.flush()
            time.sleep(HEARTBEAT_INTERVAL_S)
    except KeyboardInterrupt:
        stream.write("\n")
        return code


def _show_once(fleet: Fleet, stream: TextIO, *, as_json: bool = False) -> int:
    try:
        found = read_fleet(broker_url=fleet.broker_url, result_url=fleet.result_url)
    except FleetUnreachableError as fault:
        text = json.dumps({"ready": False, "error": str(fault)}) if as_json else str(fault)
        stream.write(f"{text}\n")
        return 1
    if as_json:
        stream.write(json.dumps({"ready": found.is_ready, **found.model_dump()}) + "\n")
    else:
        stream.write(as_text(found))
    return 0 if found.is_ready else 1


def as_text(found: FleetStatus) -> str:
    """Write it for a person."""
    rows = [_COLUMNS, *(_row(executor) for executor in found.executors)]
    lines = _table(rows) if found.executors else ["no executor gives a sign of life"]
    for executor in found.executors:
        if executor.detail:
            lines.append(f"  {executor.name}: {executor.detail}")
    lines.append("")
    if found.queue_length is not None:
        lines.append(f"queue of the broker: {found.queue_length}")
    for api in found.apis:
        oldest = f", the first for {api.oldest_wait_s:.1f} s" if api.waiting else ""
        lines.append(f"API {api.host}: {api.out} sent, {api.waiting} wait{oldest}")
    if not found.apis:
        lines.append("no API gives a sign of life")
    return "\n".join(lines) + "\n"


def _row(executor: ExecutorStatus) -> tuple[str, ...]:
    counted = executor.figures
    numbers = (
        executor.running,
        executor.capacity,
        executor.ready_sandboxes,
        executor.preloaded_sandboxes,
        executor.making_sandboxes,
        executor.held_sandboxes,
        executor.removing_sandboxes,
        counted.sandboxes_made,
        counted.sandboxes_failed,
    )
    return (executor.name, executor.host, executor.engine, *map(str, numbers))


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
