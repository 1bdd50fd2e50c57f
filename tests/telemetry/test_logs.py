"""How log lines look, and what never gets into one."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from telemetry.ids import bound, current_request_id, request_id_from
from telemetry.logs import LogFormat, set_up_logs

logger = logging.getLogger("tests.somewhere")

SECRET = "marked-as-secret"


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _the_root_logger_is_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def begun(stream: io.StringIO, log_format: LogFormat = "auto", level: str = "INFO") -> None:
    set_up_logs(level, log_format, stream=stream)


def test_outside_a_terminal_a_line_is_json() -> None:
    stream = io.StringIO()
    begun(stream)

    logger.warning("%d of %s", 3, "these", extra={"took_ms": 12})

    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "3 of these",
        "level": "warning",
        "logger": "tests.somewhere",
        "took_ms": 12,
    }


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_others_give_beside_their_line_is_not_written(log_format: LogFormat) -> None:
    stream = io.StringIO()
    begun(stream, log_format)

    logger.error("Task failed", extra={"data": {"args": SECRET}})

    assert "Task failed" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_on_a_terminal_it_is_text_unless_told_otherwise() -> None:
    plain, told = Terminal(), Terminal()
    begun(plain)
    logger.info("for a person")
    begun(told, "json")
    logger.info("for a machine")

    assert "for a person" in plain.getvalue()
    assert not plain.getvalue().startswith("{")
    assert lines(told)[0]["event"] == "for a machine"


def test_in_a_file_it_is_text_if_told_so() -> None:
    stream = io.StringIO()
    begun(stream, "text")

    logger.info("for a person")

    assert "for a person" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_only_what_is_as_grave_as_it_was_told_is_written() -> None:
    stream = io.StringIO()
    begun(stream, level="WARNING")

    logger.info("small")
    logger.warning("large")

    assert [line["event"] for line in lines(stream)] == ["large"]


def test_it_is_written_once_however_often_it_is_set_up() -> None:
    stream = io.StringIO()
    begun(stream)
    begun(stream)

    logger.info("once")

    assert len(lines(stream)) == 1


@pytest.mark.anyio
async def test_each_request_has_its_ids_in_the_lines_of_its_own_tasks() -> None:
    stream = io.StringIO()
    begun(stream)

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        logger.info("works on %s", name)

    async def serve(name: str) -> None:
        with bound(request_id=name, run_id=f"run-{name}", session_id=""):
            await asyncio.create_task(work(name))

    await asyncio.gather(serve("a"), serve("b"))
    logger.info("nobody's")

    found = {line["event"]: line for line in lines(stream)}
    for name in ("a", "b"):
        assert found[f"works on {name}"]["request_id"] == name
        assert found[f"works on {name}"]["run_id"] == f"run-{name}"
        assert "session_id" not in found[f"works on {name}"]
    assert "request_id" not in found["nobody's"]
    assert current_request_id() == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_values(log_format: LogFormat) -> None:
    """Libraries that print local variables would print users' programs."""
    stream = Terminal()
    begun(stream, log_format)

    def fails(code: str) -> None:
        raise ValueError(f"{len(code)} characters")

    try:
        fails(SECRET)
    except ValueError:
        logger.exception("it failed")

    assert "16 characters" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_whatever_a_client_sends_makes_one_line() -> None:
    stream = io.StringIO()
    begun(stream)

    logger.warning("path %s", "/a\nb\ud800\x1b[31m")

    [line] = lines(stream)
    assert line["event"] == "path /a\nb\ud800\x1b[31m"
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("given", ["abc", "A-b_c.9", "x" * 64])
def test_a_client_may_name_its_request(given: str) -> None:
    assert request_id_from(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "two words", "a\nb", "é"])
def test_what_is_no_id_is_replaced(given: str | None) -> None:
    first, second = request_id_from(given), request_id_from(given)

    assert first != second
    assert len(first) == 16
