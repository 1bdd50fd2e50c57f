"""What comes out of a sandbox is a claim: each field is bounded before it is believed."""

import json

import pytest

from executor.claims import (
    EndedClaim,
    HelloClaim,
    OutputClaim,
    RefusedClaim,
    SummaryClaim,
    printable,
    read_claim,
)
from executor.sandbox import SandboxLostError
from sandbox.supervisor.frames import Frame, Kind
from sandbox.supervisor.skips import Skipped, SkipReason
from tests.executor.memory_stream import ENDED_WELL, NOTHING_ELSE


def frame(kind: Kind, payload: object) -> Frame:
    return Frame(kind, json.dumps(payload).encode())


def hello(payload: object) -> HelloClaim:
    return read_claim(HelloClaim, frame(Kind.HELLO, payload))


def ended(**changes: object) -> EndedClaim:
    return read_claim(EndedClaim, frame(Kind.ENDED, ENDED_WELL | changes))


def output(name: object, size: object = 1) -> OutputClaim:
    return read_claim(OutputClaim, frame(Kind.OUTPUT, {"name": name, "size": size}))


def summary(**changes: object) -> SummaryClaim:
    return read_claim(SummaryClaim, frame(Kind.SUMMARY, NOTHING_ELSE | changes))


HOSTILE_NAMES = {
    "traversal": "../x",
    "traversal-inside": "a/../../x",
    "only-dots": "..",
    "this-folder": ".",
    "this-folder-inside": "a/./b",
    "absolute": "/etc/passwd",
    "empty": "",
    "empty-segment": "a//b",
    "trailing-slash": "a/",
    "backslash": "a\\b",
    "backslash-traversal": "a\\..\\b",
    "nul": "a\0b",
    "newline": "a\nb",
    "carriage-return": "a\r\nSet-Cookie: x",
    "escape": "a\x1b[2Jb",
    "right-to-left-override": "a\u202egnp.exe",
    "isolate": "a\u2067b",
    "lone-surrogate": "a\ud800b",
    "257-characters": "a" * 257,
    "number": 7,
    "null": None,
    "list": ["a"],
    "object": {"a": 1},
    "boolean": True,
}


class TestHello:
    def test_our_protocol_is_recognised(self) -> None:
        assert hello({"protocol": 4}).protocol == 4

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            {"protocol": 1},
            {"protocol": 0},
            {"protocol": 2},
            {"protocol": 3},
            {"protocol": "4"},
            {"protocol": None},
            [],
            "hello",
            None,
        ],
        ids=str,
    )
    def test_any_other_is_refused(self, payload: object) -> None:
        with pytest.raises(SandboxLostError, match="HELLO is not of protocol 4"):
            hello(payload)


class TestOutput:
    @pytest.mark.parametrize(
        "name", ["a", "a/b/c.txt", "año nuevo/🎉.txt", "-rf", " ", "...", ".env", "a" * 256]
    )
    def test_a_canonical_relative_path_is_a_name(self, name: str) -> None:
        assert output(name).name == name

    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
    def test_any_other_name_is_refused(self, name: object) -> None:
        with pytest.raises(SandboxLostError):
            output(name)

    @pytest.mark.parametrize("size", [-1, 1.5, "1", None, True, [], float("nan")], ids=str)
    def test_a_size_is_a_whole_number_from_nought(self, size: object) -> None:
        with pytest.raises(SandboxLostError):
            output("a", size)

    def test_depth_counts_levels(self) -> None:
        assert [output(name).depth for name in ("a", "a/b", "a/b/c")] == [1, 2, 3]


class TestEnded:
    def test_a_good_end_is_believed(self) -> None:
        claim = ended(exit_code=3, wall_time_ms=7)

        assert (claim.exit_code, claim.signal, claim.wall_time_ms) == (3, None, 7)

    @pytest.mark.parametrize(
        "change",
        [
            {"exit_code": -1},
            {"exit_code": 256},
            {"exit_code": "0"},
            {"exit_code": True},
            {"exit_code": 10**30},
            {"signal": 9},
            {"signal": ""},
            {"signal": "KILL"},
            {"signal": "SIGKILL\n"},
            {"signal": "SIG" + "A" * 500},
            {"stopped": "bored"},
            {"stopped": ""},
            {"stopped": 1},
            {"wall_time_ms": -1},
            {"wall_time_ms": 10**12},
            {"wall_time_ms": 1.5},
            {"stderr_cut": "yes"},
            {"stderr_cut": 1},
            {"stderr_cut": None},
        ],
        ids=lambda change: str(change)[:40],
    )
    def test_one_wrong_field_spoils_it(self, change: dict[str, object]) -> None:
        with pytest.raises(SandboxLostError, match="ENDED"):
            ended(**change)

    @pytest.mark.parametrize("name", ["SIGKILL", "SIGRTMIN", "SIG34", "SIGVTALRM"])
    def test_signals_have_names(self, name: str) -> None:
        assert ended(exit_code=None, signal=name).signal == name

    @pytest.mark.parametrize("missing", sorted(ENDED_WELL))
    def test_every_field_is_needed(self, missing: str) -> None:
        fields = {name: value for name, value in ENDED_WELL.items() if name != missing}

        with pytest.raises(SandboxLostError):
            read_claim(EndedClaim, frame(Kind.ENDED, fields))


class TestSummary:
    def test_a_good_one_is_believed(self) -> None:
        claim = summary(
            unchanged=["a"], deleted=["b/c"], skipped=[["d", "file_too_large"]], skipped_count=4
        )

        assert (claim.unchanged, claim.deleted) == (("a",), ("b/c",))
        assert claim.skipped_files() == (Skipped("d", SkipReason.FILE_TOO_LARGE),)
        assert claim.skipped_count == 4

    @pytest.mark.parametrize("field", ["unchanged", "deleted"])
    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
    def test_its_names_are_held_to_the_same_rule(self, field: str, name: object) -> None:
        with pytest.raises(SandboxLostError):
            summary(**{field: [name]})

    @pytest.mark.parametrize(
        "change",
        [
            {"unchanged": [str(n) for n in range(257)]},
            {"deleted": [str(n) for n in range(257)]},
            {"unchanged": "abc"},
            {"unchanged": {"a": 1}},
            {"unchanged": None},
            {"skipped": [["a", "b"]] * 21},
            {"skipped": [["a"]]},
            {"skipped": [["a", "b", "c"]]},
            {"skipped": [["a", 1]]},
            {"skipped": ["ab"]},
            {"skipped": [["a" * 2000, "b"]]},
            {"skipped_count": -1},
            {"skipped_count": 10**9},
            {"skipped_count": "1"},
            {"skipped_count": 1.5},
            {"skipped_count": True},
            {"skip_counts": {"total_size": -1}},
            {"skip_counts": {"total_size": 10**9}},
            {"skip_counts": {"total_size": "1"}},
            {"skip_counts": [1]},
        ],
        ids=lambda change: str(change)[:30],
    )
    def test_counts_lengths_and_types_are_bounded(self, change: dict[str, object]) -> None:
        with pytest.raises(SandboxLostError, match="SUMMARY"):
            summary(**change)

    def test_counts_are_told_for_each_reason(self) -> None:
        claim = summary(skipped_count=4, skip_counts={"total_size": 3, "too_many_files": 1})

        assert claim.counts() == {SkipReason.TOTAL_SIZE: 3, SkipReason.TOO_MANY_FILES: 1}

    def test_words_of_another_version_and_what_is_counted_without_one_are_other(self) -> None:
        claim = summary(skipped=[["a", "too odd"]], skipped_count=4, skip_counts={"too odd": 1})

        assert claim.skipped_files() == (Skipped("a", SkipReason.OTHER),)
        assert claim.counts() == {SkipReason.OTHER: 4}

    def test_what_is_only_shown_is_escaped(self) -> None:
        claim = summary(skipped=[["a\n\x1b[2J\u202eb", "no\0reason"]])

        assert claim.skipped_files() == (Skipped("a\\n\\x1b[2J\\u202eb", SkipReason.OTHER),)


class TestAnyClaim:
    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff",
            b'"x"',
            b"[" * 100_000,
            b'{"reason":' + b"9" * 9000,
        ],
        ids=["empty", "cut", "list", "null", "no-utf-8", "text", "nested", "digits"],
    )
    def test_what_is_not_its_json_object_is_refused(self, payload: bytes) -> None:
        with pytest.raises(SandboxLostError, match="REFUSED"):
            read_claim(RefusedClaim, Frame(Kind.REFUSED, payload))

    def test_the_refusal_does_not_quote_what_was_said(self) -> None:
        with pytest.raises(SandboxLostError) as refusal:
            ended(signal="secret-looking")

        assert "secret" not in str(refusal.value)

    def test_fields_of_a_later_version_are_ignored(self) -> None:
        assert ended(later="x").exit_code == 0

    def test_printable_text_is_left_as_it_is(self) -> None:
        assert printable("año 🎉 a b") == "año 🎉 a b"
