"""Cases 12 and 13: output without end, and output that is no text."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.attacks import Attack, attack, attack_at_once
from tests.security.host_view import MIB, PeakMemory

pytestmark = pytest.mark.docker

MAX_OUTPUT_BYTES = 65_536

MAX_GROWTH_BYTES = 48 * MIB
"""Of a process that answers three such runs and its neighbours' at a time; each holds 64 KiB of
output in a few forms. What floods is gigabytes."""


@pytest.fixture
def memory_is_bounded(target: RunningService) -> Iterator[None]:
    peak = PeakMemory(target, "api", "executor")
    yield
    assert max(peak.grown_by().values()) < MAX_GROWTH_BYTES


@pytest.mark.case(12)
@pytest.mark.usefixtures("memory_is_bounded")
def test_output_without_end_is_cut_and_ends_the_program(attacker: Caller) -> None:
    answers = attack_at_once(
        attacker,
        Attack("yes", "bash"),
        Attack("import os\nwhile True: os.write(1, bytes(1 << 24))"),
        Attack("for n in {1..20}; do cat /dev/urandom & done; wait", "bash"),
    )

    for answer in answers:
        assert (answer["status"], answer["signal"], answer["code"]) == ("OL", "SIGKILL", None)
        assert answer["message"] == "stdout length exceeded"
        assert answer["stderr"] == "\n[sandbox] stdout length exceeded\n"
        assert len(answer["stdout"]) <= MAX_OUTPUT_BYTES
        assert answer["wall_time"] < 3000
    assert len(answers[0]["stdout"]) == MAX_OUTPUT_BYTES
    assert answers[1]["stdout"] == "\0" * MAX_OUTPUT_BYTES


@pytest.mark.case(13)
@pytest.mark.usefixtures("memory_is_bounded")
def test_a_flood_on_standard_error_is_cut_and_the_program_goes_on(attacker: Caller) -> None:
    """Without an end of line; no UTF-8; both streams in turn, with NUL and escape codes."""
    no_text = """
import os
for number in range(200):
    os.write(2, b"\\xff\\xfe\\xc3" * 1_000_000)
print("over")
"""
    in_turn = """
import os
noise = b"\\x1b[2J\\x1b]0;title\\x07\\x00\\x08\\r\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"
for number in range(2000):
    os.write(1, noise)
    os.write(2, noise * 5000)
"""
    endless, no_text_either, both = attack_at_once(
        attacker,
        Attack("while :; do head -c 1G /dev/zero >&2; done", "bash"),
        Attack(no_text),
        Attack(in_turn),
    )

    assert (endless["status"], endless["message"]) == ("TO", "Time limit exceeded")
    remark = f"stderr truncated at {MAX_OUTPUT_BYTES} bytes"
    for answer in (no_text_either, both):
        assert (answer["status"], answer["code"], answer["message"]) == (None, 0, remark)
        assert answer["stderr"].endswith(f"\n[sandbox] {remark}\n")
    assert no_text_either["stdout"] == "over\n"
    assert "\ufffd" * 100 in no_text_either["stderr"]
    assert both["stdout"].count("\x1b[2J\x1b]0;title\x07\0\b\r\ufffd") == 2000
    for answer in (endless, no_text_either, both):
        assert len(answer["stderr"]) < MAX_OUTPUT_BYTES + 200
        # No half of a pair, which no other program could write down.
        assert (answer["stdout"] + answer["stderr"]).encode()


@pytest.mark.case(13)
@pytest.mark.runsc
def test_output_that_is_no_text_is_valid_json_all_the_same(attacker: Caller) -> None:
    code = "import os\nfor stream in 1, 2: os.write(stream, bytes(range(256)) * 4)"
    answer = attack(attacker, code)

    ascii_part = bytes(range(128)).decode()
    for stream in ("stdout", "stderr"):
        assert answer[stream].count(ascii_part) == 4
