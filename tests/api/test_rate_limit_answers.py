"""What a client is told that has to wait, and one that has not (librechat-contract 6.2)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.api.broker import Valkey
from tests.api.rate_limited import DOWNLOAD, HEADERS, LIST, UPLOAD, limited
from tests.api.service import Connection

pytestmark = pytest.mark.anyio


class TestAnswers:
    async def test_a_run_that_has_to_wait_is_told_in_the_contracts_words(
        self, valkey: Valkey
    ) -> None:
        async with limited(valkey, exec="1/30s") as api:
            await api.ask()
            answer = await api.ask()

        wait_s = int(answer.headers["retry-after"])
        assert answer.status_code == 429
        assert 25 <= wait_s <= 30
        assert answer.json() == {
            "error": "rate_limited",
            "message": (
                f"Too many CodeAPI execution requests. Please retry in {wait_s} seconds."
            ),
            "retry_after_seconds": wait_s,
        }
        assert {name: answer.headers[name] for name in HEADERS} == {
            "ratelimit-limit": "1",
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(wait_s),
            "retry-after": str(wait_s),
        }

    @pytest.mark.parametrize(
        ("route", "bucket", "sentence"),
        [
            (UPLOAD, "upload", "Too many file uploads."),
            (DOWNLOAD, "download", "Too many file downloads."),
            (LIST, "list", "Too many file list requests."),
        ],
    )
    async def test_the_others_are_told_in_a_sentence(
        self, valkey: Valkey, route: tuple[str, str], bucket: str, sentence: str
    ) -> None:
        async with limited(valkey, **{bucket: "1/30s"}) as api:
            await api.ask(route)
            answer = await api.ask(route)

        wait_s = int(answer.headers["retry-after"])
        assert answer.json() == {
            "error": f"{sentence} Please retry in {wait_s} seconds.",
            "retry_after_seconds": wait_s,
        }

    async def test_one_second_is_in_the_singular(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="1/1s") as api:
            answers = await asyncio.gather(*(api.ask() for _ in range(5)))

        waits = [answer.json() for answer in answers if answer.status_code == 429]
        assert len(waits) == 4
        assert {wait["retry_after_seconds"] for wait in waits} == {1}
        assert {wait["message"][-26:] for wait in waits} == {" Please retry in 1 second."}

    async def test_what_is_left_is_told_with_every_answer(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="3/30s") as api:
            answers = [await api.ask() for _ in range(4)]

        left = [answer.headers["ratelimit-remaining"] for answer in answers]
        assert left == ["2", "1", "0", "0"]
        assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
        assert "retry-after" not in answers[0].headers

    async def test_also_with_errors(self, valkey: Valkey) -> None:
        async with limited(valkey) as api:
            answer = await api.ask(LIST)

        assert answer.status_code == 404
        assert answer.headers["ratelimit-remaining"] == "119"

    async def test_a_body_that_is_refused_is_not_read(self, valkey: Valkey) -> None:
        read = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            read = True
            yield b"x"

        async with limited(valkey, upload="1/1m") as api:
            await api.ask(UPLOAD)
            upload = Connection(api.service.app, *UPLOAD)
            await upload.ask(body())

        assert upload.status == 429
        assert not read
