from pathlib import Path

import pytest

from infra.local.dotenv import parse_dotenv, read_dotenv
from infra.local.errors import BadSettingError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("  KEY = value  ", "value"),
        ("export KEY=value", "value"),
        ("KEY=", ""),
        ("KEY='a b'", "a b"),
        ('KEY="a # b"', "a # b"),
        ("KEY=a=b,c=d", "a=b,c=d"),
        ("KEY=p#ss", "p#ss"),
        (r"KEY=$HOME\n", r"$HOME\n"),
    ],
)
def test_a_line_sets_a_variable_to_what_is_written(line: str, value: str) -> None:
    assert parse_dotenv(line, source=".env") == {"KEY": value}


def test_comments_and_empty_lines_say_nothing() -> None:
    assert parse_dotenv("# KEY=1\n\n   # more\nA=1\n", source=".env") == {"A": "1"}


def test_the_last_of_two_settings_wins() -> None:
    assert parse_dotenv("A=1\nA=2\n", source=".env") == {"A": "2"}


@pytest.mark.parametrize("line", ["hunter2", "=hunter2", "A B=hunter2", "A='hunter2"])
def test_a_line_that_is_no_setting_is_named_but_not_shown(line: str) -> None:
    with pytest.raises(BadSettingError, match=r"\.env, line 2") as caught:
        parse_dotenv(f"A=1\n{line}\n", source=".env")

    assert "hunter2" not in str(caught.value)


def test_no_file_means_no_settings(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")

    with pytest.raises(BadSettingError, match=r"\.env"):
        read_dotenv(tmp_path / ".env")
