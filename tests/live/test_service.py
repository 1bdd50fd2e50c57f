"""Programs run: what they print, how they end, and what the answer says (contract 2.2)."""

import json
import re
import statistics
import time
from typing import Any

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

ID = re.compile(r"[A-Za-z0-9_-]{21}")

PAUSE_S = 1
QUICK_S = 0.1
ROUNDS = 3


def test_a_program_prints(caller: Caller) -> None:
    answer = caller.run("print(6 * 7)")

    assert answer["stdout"] == "42\n"
    assert answer["stderr"] == ""
    assert answer["files"] == []
    assert answer["code"] == 0
    assert (answer["signal"], answer["message"], answer["status"]) == (None, None, None)
    assert ID.fullmatch(answer["session_id"])
    assert answer["wall_time"] >= 0


def test_every_run_has_a_session_of_its_own(caller: Caller) -> None:
    assert caller.run("1")["session_id"] != caller.run("1")["session_id"]


def test_nothing_but_files_survives_a_run(caller: Caller) -> None:
    caller.run("x = 1\nopen('/tmp/left', 'w').write('1')\nopen('left.txt', 'w').write('1')")

    answer = caller.run(
        "import os\nprint('x' in dir(), 'left' in os.listdir('/tmp'), os.listdir())"
    )

    assert answer["stdout"] == "False False ['main.py']\n"


@pytest.mark.parametrize("lang", ["py", "python", "PY", "Python"])
def test_python_has_two_names_in_any_case(caller: Caller, lang: str) -> None:
    answer = caller.run("import sys; print(sys.version_info[0])", lang=lang)

    assert answer["stdout"] == "3\n"


@pytest.mark.parametrize("lang", ["bash", "sh", "BASH"])
def test_so_has_bash(caller: Caller, lang: str) -> None:
    assert caller.run('echo "$BASH_VERSION"', lang=lang)["stdout"].startswith("5.")


@pytest.mark.parametrize(
    ("lang", "code"),
    [
        ("py", "import json, sys; print(json.dumps(sys.argv[1:]))"),
        ("bash", 'jq -n --args "\\$ARGS.positional" -- "$@"'),
    ],
)
def test_arguments_stay_apart_and_mean_themselves(caller: Caller, lang: str, code: str) -> None:
    args = ["a b", "$HOME", "", "*", "'\"", "--fast", "größe\n2"]

    answer = caller.run(code, lang=lang, args=args)

    assert json.loads(answer["stdout"]) == args


def test_one_string_is_one_argument(caller: Caller) -> None:
    answer = caller.run("import sys; print(sys.argv[1:])", args="two words")

    assert answer["stdout"] == "['two words']\n"


def test_a_failed_program_is_an_answer_and_its_files_are_kept(caller: Caller) -> None:
    answer = caller.run("open('half.txt', 'w').write('done so far')\nraise SystemExit(3)")

    assert answer["code"] == 3
    assert answer["status"] is None
    assert caller.download(stored_files(answer)["half.txt"]) == b"done so far"


def test_an_exception_is_told_with_its_traceback(caller: Caller) -> None:
    answer = caller.run("def half(x):\n    return x / 0\n\nhalf(1)\n")

    assert answer["code"] == 1
    assert 'File "/mnt/data/main.py", line 4' in answer["stderr"]
    assert "ZeroDivisionError" in answer["stderr"]


def test_a_killed_program_is_an_answer_that_names_the_signal(caller: Caller) -> None:
    answer = caller.run("echo before; kill -TERM $$", lang="bash")

    assert answer["stdout"] == "before\n"
    assert answer["signal"] == "SIGTERM"


def test_too_much_output_is_cut_and_said(caller: Caller) -> None:
    answer = caller.run("yes | head -c 1000000", lang="bash")

    assert answer["status"] == "OL"
    assert answer["signal"] == "SIGKILL"
    assert answer["message"] == "stdout length exceeded"
    assert answer["stderr"].endswith("\n[sandbox] stdout length exceeded\n")
    assert answer["stdout"] == "y\n" * 32_768


def test_too_much_on_stderr_is_cut_but_the_program_goes_on(caller: Caller) -> None:
    answer = caller.run("yes | head -c 1000000 >&2; echo to the end", lang="bash")

    assert answer["stdout"] == "to the end\n"
    assert (answer["code"], answer["signal"], answer["status"]) == (0, None, None)
    assert answer["message"] == "stderr truncated at 65536 bytes"
    assert answer["stderr"].endswith("\n[sandbox] stderr truncated at 65536 bytes\n")


def test_running_out_of_memory_is_said(caller: Caller) -> None:
    answer = caller.run("print('before', flush=True)\nbytearray(900 << 20).replace(b'0', b'1')")

    assert answer["stdout"] == "before\n"
    assert answer["status"] == "SG"
    assert answer["signal"] == "SIGKILL"
    assert answer["message"] == "Out of memory"
    assert answer["stderr"].endswith("\n[sandbox] Out of memory\n")


def test_a_child_that_goes_on_does_not_hold_the_answer_back(caller: Caller) -> None:
    began_at = time.monotonic()

    answer = caller.run("sleep 100 & echo started", lang="bash")

    assert answer["stdout"] == "started\n"
    assert time.monotonic() - began_at < 50


def test_there_is_no_network(caller: Caller) -> None:
    answer = caller.run(
        "import socket\n"
        "for address in ('1.1.1.1', '172.17.0.1', '169.254.169.254'):\n"
        "    try:\n"
        "        socket.create_connection((address, 80), timeout=2)\n"
        "    except OSError as fault:\n"
        "        print(fault.errno == 101)\n"
    )

    assert answer["stdout"] == "True\n" * 3


def test_bash_has_what_librechats_tools_pipe_into(caller: Caller) -> None:
    code = "python3 - <<'EOF'\nprint('from python')\nEOF\njq --version; cat /nope"

    answer = caller.run(code, lang="bash")

    assert re.fullmatch(r"from python\njq-1\.\S+\n", answer["stdout"])
    assert "No such file or directory" in answer["stderr"]


def test_text_over_several_lines_keeps_its_content(caller: Caller) -> None:
    code = 'import matplotlib\nprint("""a\n  b\nc""")'

    assert caller.run(code)["stdout"] == "a\n  b\nc\n"


def test_standard_input_is_one_line_break(caller: Caller) -> None:
    assert caller.run("import sys; print(repr(sys.stdin.read()))")["stdout"] == "'\\n'\n"


def test_shared_assets_are_there_and_cannot_be_changed(caller: Caller) -> None:
    code = "ls /mnt/shared | tr '\\n' ' '; touch /mnt/shared/x"

    answer = caller.run(code, lang="bash")

    assert {"icons", "templates", "utils"} <= set(answer["stdout"].split())
    assert "Read-only file system" in answer["stderr"]


def test_what_clients_leak_into_the_body_is_ignored_and_never_logged(
    service: RunningService, caller: Caller
) -> None:
    leaked: dict[str, Any] = {
        "apiKey": "leaked-api-key",
        "authHeaders": {"Authorization": "Bearer leaked-token"},
        "session_id": "S" * 21,
        "user_id": "u1",
        "timeout": 15000,
        "runtime_session_hint": "v2:user:abc",
        "executionProfile": "default",
    }

    answer = caller.run("print('printed-by-the-program')", **leaked)

    assert answer["stdout"] == "printed-by-the-program\n"
    assert "runtime_session_id" not in answer
    for process in ("api", "executor", "broker", "storage"):
        log = service.log(process)
        assert not re.search("leaked-|printed-by-the-program", log)
        assert caller.key not in log


def test_after_a_pause_a_small_program_is_answered_within_a_tenth_of_a_second(
    service: RunningService, caller: Caller
) -> None:
    """End to end: over HTTP, through the broker, in a container that nobody has used."""
    medians: list[float] = []
    for _ in range(ROUNDS):
        medians.append(statistics.median(_timed_run(service, caller) for _ in range(5)))
        if medians[-1] < QUICK_S:
            return

    pytest.fail(f"medians of {ROUNDS} rounds: {medians}")


def test_only_the_pool_is_left_when_nothing_runs(
    service: RunningService, caller: Caller
) -> None:
    service.rest()
    waiting = service.containers()
    caller.run("1")

    service.rest()

    assert len(service.containers() & waiting) == service.pool_size - 1


def _timed_run(service: RunningService, caller: Caller) -> float:
    service.rest()
    time.sleep(PAUSE_S)  # The pause that the promise speaks of.
    began_at = time.perf_counter()
    answer = caller.run("print(1)")
    took_s = time.perf_counter() - began_at
    assert answer["stdout"] == "1\n"
    return took_s
