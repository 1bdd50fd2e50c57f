"""Whether a sandbox image is the one that an executor, or an API, expects."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from executor import image_check
from executor.image_check import ImageCheck
from executor.image_version import LABEL, mismatch, supervisor_digest
from executor.sandbox import SandboxUnavailableError

OURS = supervisor_digest()


class TestDigest:
    def test_it_changes_with_the_supervisor_and_with_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "serve.py").write_text("one")
        first = supervisor_digest(tmp_path)
        (tmp_path / "serve.pyc").write_text("byte code")
        assert supervisor_digest(tmp_path) == first

        (tmp_path / "serve.py").write_text("two")

        assert supervisor_digest(tmp_path) != first


class TestMismatch:
    def test_the_expected_one_is_none(self) -> None:
        assert mismatch("sandbox:1", {LABEL: OURS}, OURS) == ""

    def test_another_one_is_named_with_what_to_do(self) -> None:
        problem = mismatch("sandbox:1", {LABEL: "0123456789abcdef"}, OURS)

        assert problem.startswith("sandbox image sandbox:1 is of version 0123456789ab, and")
        assert OURS[:12] in problem
        assert "./code-command build" in problem

    def test_so_is_one_that_does_not_say(self) -> None:
        assert "does not say its version" in mismatch("sandbox:1", {}, OURS)


@pytest.mark.anyio
class TestCheck:
    async def test_it_waits_for_the_engine_and_tells_the_log(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(image_check, "ASK_AGAIN_S", 0.01)
        asked: list[str] = []

        def labels() -> Mapping[str, str]:
            asked.append("once more")
            if len(asked) == 1:
                raise SandboxUnavailableError("the engine is away")
            return {LABEL: "another"}

        check = ImageCheck("sandbox:1", labels)
        async with asyncio.timeout(5):
            await check.check()

        assert check.version == "another"
        (told,) = caplog.messages
        assert told == mismatch("sandbox:1", {LABEL: "another"}, OURS)

    async def test_of_the_expected_image_nothing_is_said(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        check = ImageCheck("sandbox:1", lambda: {LABEL: OURS})

        await check.check()

        assert check.version == OURS
        assert caplog.messages == []
