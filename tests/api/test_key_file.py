"""The file of keys: made by a command, read by a running API."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.key_file import KeyFile, key_digest
from api.keyring import Keyring
from api.manage_keys import main
from executor.messages import MemoryClass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "keys.json"


def create(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["create", *arguments], path) == 0
    return capsys.readouterr().out.strip()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestCommand:
    def test_a_key_is_shown_once_and_kept_as_a_digest(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = create(path, capsys, "--tenant", "acme", "--name", "LibreChat")

        assert key.startswith("cc_")
        assert len(key) >= 43
        text = path.read_text()
        assert key not in text
        assert key_digest(key) in text
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_list_names_everything_but_the_key(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        limits = ("--limit", "exec=100/30s", "--memory-class", "large", "--expires-in", "90d")
        key = create(path, capsys, "--tenant", "acme", "--name", "LibreChat", *limits)

        assert main(["list"], path) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in ("acme", "LibreChat", "exec=100/30s", "large"))
        assert key not in shown
        assert key_digest(key) not in shown

    def test_a_revoked_one_is_gone_and_the_others_stay(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        create(path, capsys, "--tenant", "a")
        create(path, capsys, "--tenant", "b")
        first = json.loads(path.read_text())["keys"][0]["id"]

        assert main(["revoke", first], path) == 0
        assert [key["tenant"] for key in json.loads(path.read_text())["keys"]] == ["b"]
        assert main(["revoke", first], path) == 1
        assert "there is no key" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["create"], "required: --tenant"),
            (["create", "--tenant", "../x"], "1 to 64 letters, digits, `_` and `-`"),
            (["create", "--tenant", "a", "--limit", "exec=often"], "such as `20/30s`"),
            (["create", "--tenant", "a", "--limit", "everything=1/1s"], "there are exec, "),
            (["create", "--tenant", "a", "--expires-in", "soon"], "not as 90d or 12h"),
            (["create", "--tenant", "a", "--memory-class", "huge"], "standard nor large"),
            (["create", "--tenant", "a", "--name", "n" * 101], "--name: "),
        ],
    )
    def test_a_mistake_is_told_with_what_would_be_right_and_makes_no_key(
        self, path: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        try:
            code = main(arguments, path)
        except SystemExit as end:
            code = end.code

        assert code == 2
        assert told in capsys.readouterr().err
        assert not path.exists()


class TestKeyring:
    def test_a_key_of_the_file_brings_what_it_was_given(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        limits = ("--limit", "exec=5/1m", "--memory-class", "large")
        key = create(path, capsys, "--tenant", "acme", *limits)
        owner = Keyring([], KeyFile(path)).owner(key)

        assert owner is not None
        assert (owner.tenant, owner.memory_class) == ("acme", MemoryClass.LARGE)
        assert owner.rates == {"exec": "5/1m"}
        assert owner.label.startswith("key:")

    def test_a_change_is_seen_within_a_second_and_not_asked_for_more_often(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clock = Clock()
        file = KeyFile(path, clock=clock)
        assert file.records() == ()
        create(path, capsys, "--tenant", "acme")

        clock.now = 0.9
        assert file.records() == ()
        clock.now = 1.0
        assert [record.tenant for record in file.records()] == ["acme"]

    def test_an_expired_key_opens_nothing(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = create(path, capsys, "--tenant", "acme", "--expires-in", "1h")
        content: Any = json.loads(path.read_text())
        past = datetime.now(UTC) - timedelta(seconds=1)
        content["keys"][0]["expires_at"] = past.isoformat()
        path.write_text(json.dumps(content))

        assert Keyring([], KeyFile(path)).owner(key) is None

    def test_a_broken_file_leaves_the_keys_as_they_were_and_is_told_once(
        self,
        path: Path,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        clock = Clock()
        key = create(path, capsys, "--tenant", "acme")
        keyring = Keyring([], KeyFile(path, clock=clock))
        assert keyring.owner(key) is not None

        path.write_text('{"keys": [{"a secret": 1}]}')
        with caplog.at_level(logging.ERROR):
            for clock.now in (1.0, 2.0, 3.0):
                assert keyring.owner(key) is not None
        assert len(caplog.records) == 1
        assert "a secret" not in caplog.text

    def test_a_file_that_is_removed_takes_its_keys_along(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clock = Clock()
        key = create(path, capsys, "--tenant", "acme")
        keyring = Keyring([], KeyFile(path, clock=clock))
        assert keyring.owner(key) is not None

        path.unlink()
        clock.now = 1.0
        assert keyring.owner(key) is None
