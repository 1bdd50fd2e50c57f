"""How a program that is no Python program is started: what comes before it, and its end."""

import signal
import subprocess
import sys

Command = tuple[str, ...]


def _execute(*commands: Command, args: Command = ()) -> "subprocess.CompletedProcess[str]":
    """Let a process of its own become the last of the commands."""
    start = f"from sandbox.supervisor.child import execute; execute({commands!r}, {args!r})"
    return subprocess.run(
        (sys.executable, "-c", start), capture_output=True, text=True, timeout=30, check=False
    )


def test_arguments_go_to_the_last_command_one_by_one() -> None:
    ended = _execute(("true",), ("printf", "<%s>"), args=("a b", "$HOME", ""))

    assert (ended.returncode, ended.stdout) == (0, "<a b><$HOME><>")


def test_a_compiler_that_fails_is_the_end_and_its_words_are_no_output() -> None:
    ended = _execute(("sh", "-c", "echo line 1: why; exit 3"), ("echo", "run"))

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "line 1: why\n")


def test_a_compiler_that_is_killed_ends_it_as_a_shell_would_say() -> None:
    assert _execute(("sh", "-c", "kill -9 $$"), ("echo", "run")).returncode == 128 + 9


def test_a_program_that_is_killed_is_ended_by_its_signal() -> None:
    ended = _execute(("true",), ("sh", "-c", "kill -SEGV $$"))

    assert ended.returncode == -signal.SIGSEGV


def test_a_language_that_the_image_lacks_is_named_with_status_127() -> None:
    for commands in ([("no-such-compiler",), ("true",)], [("no-such-compiler",)]):
        ended = _execute(*commands)

        assert ended.returncode == 127
        assert ended.stderr == "[sandbox] this sandbox image has no no-such-compiler\n"
