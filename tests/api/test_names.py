"""What files may be called (librechat-contract 2.2, traps 14 and 27)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequestError
from api.names import check_file_name


class TestGoodNames:
    @pytest.mark.parametrize(
        "name",
        [
            "a",
            "data.csv",
            "reports/q1/data.csv",
            "Übersicht 2026 (Größen).xlsx",
            "数据.csv",
            ".gitignore",
            "...",
            "a..b",
            "-rf",
            "$(id)",
            "a%2e%2e",
            "1/2/3/4/5/6/7/8/9/10",
            "x" * 255,
            "~",
        ],
    )
    def test_they_are_accepted(self, name: str) -> None:
        check_file_name(name)


class TestBadNames:
    @pytest.mark.parametrize(
        ("problem", "names"),
        [
            ("must not be empty", ["", "."]),
            ("must not exceed 256 characters", ["x" * 257, "a/" * 200]),
            ("contains invalid path characters", ["a\0b", "a\\b", "..\\x", "C:\\x"]),
            ("must be a relative path", ["/etc/passwd", "/", "//x"]),
            (
                "must not contain empty, current, or parent path segments",
                ["..", "../x", "a/../b", "a//b", "a/./b", "./a", "a/", "a/.."],
            ),
            (
                "must be canonical and file-like",
                ["a\nb", "a\x7fb", "a\u202egpj.exe", "\ud800", "数" * 86],
            ),
            ("exceeds maximum nesting depth of 10", ["1/2/3/4/5/6/7/8/9/10/11"]),
        ],
    )
    def test_they_are_told_why(self, problem: str, names: list[str]) -> None:
        for name in names:
            with pytest.raises(BadRequestError) as refused:
                check_file_name(name)
            assert refused.value.answer.error == f"files[].name {problem}"

    @given(st.text(alphabet="a./\\\0", max_size=12))
    def test_what_is_accepted_never_leaves_its_folder(self, name: str) -> None:
        try:
            check_file_name(name)
        except BadRequestError:
            return
        depth = 0
        for segment in name.split("/"):
            assert segment not in {"", ".", ".."}
            depth += 1
        assert depth > 0
        assert "\\" not in name
        assert "\0" not in name
