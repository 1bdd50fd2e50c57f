"""How log lines look: JSON for machines, plain lines for a person at a terminal.

Everything logs through the standard library, ours and others' alike; structlog writes it down,
with the ids of `telemetry.ids`. Of what is given as `extra`, `FIELDS` become fields of their
own. Tracebacks never show the values of variables: those may be a user's program.
"""

import json
import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "json", "text"]
"""`auto`: text if a person's terminal reads it, else JSON."""
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

FIELDS = ("outcome", "took_ms")
"""Named one by one: Celery gives a task's arguments as `extra`, which are users' programs."""


def set_up_logs(
    level: str, log_format: LogFormat = "auto", *, stream: TextIO = sys.stderr
) -> None:
    """Have everything of `level` and above written to `stream`, in place of what was set up."""
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(as_text=as_text, has_colours=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def _formatter(*, as_text: bool, has_colours: bool) -> logging.Formatter:
    about_the_line: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    rendering: list[Processor]
    if as_text:
        rendering = [
            structlog.dev.ConsoleRenderer(
                colors=has_colours,
                timestamp_key="time",
                # The usual one shows the values of local variables.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    else:
        rendering = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=about_the_line, processors=[remove_meta, *rendering]
    )


def _json(line: object, **_: object) -> str:
    """Write what may hold anything, such as lone surrogates in a client's path."""
    return json.dumps(line, default=repr)
