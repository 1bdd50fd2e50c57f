"""Bash programs, and the tools that LibreChat's own calls need (contract 3.4, 3.9)."""

import base64

import pytest

from tests.contracts.sandbox.lab import Lab

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


async def test_python_and_jq_are_there(lab: Lab) -> None:
    ran = await lab.bash(
        "python3 - <<'EOF'\nprint(6*7)\nEOF\n"
        "echo '{\"a\": [1, 2]}' | jq -c .a\n"
        "jq --version | grep -c jq-"
    )

    assert (ran.stdout, ran.stderr) == ("42\n[1,2]\n1\n", "")


async def test_python_there_has_the_libraries_too(lab: Lab) -> None:
    ran = await lab.bash("python3 -c 'import numpy, requests; print(numpy.arange(3).sum())'")

    assert ran.stdout == "3\n"


async def test_messages_are_in_english(lab: Lab) -> None:
    """LibreChat looks for these words in what `cat` says."""
    ran = await lab.bash("cat /mnt/data/nope")

    assert ran.stdout == ""
    assert ran.stderr == "cat: /mnt/data/nope: No such file or directory\n"
    assert ran.exit_code == 1


async def test_a_file_is_written_as_librechat_writes_one(lab: Lab) -> None:
    content = base64.b64encode("añ\n'\"$x\\".encode()).decode()
    ran = await lab.bash(
        "python3 - <<'PY'\nimport base64, pathlib\n"
        f"pathlib.Path('/mnt/data/notes/a.txt').parent.mkdir()\n"
        f"pathlib.Path('/mnt/data/notes/a.txt').write_bytes(base64.b64decode('{content}'))\nPY"
    )

    assert ran.files == {"notes/a.txt": "añ\n'\"$x\\".encode()}


async def test_the_reader_of_a_pipe_may_leave_early(lab: Lab) -> None:
    """Python ignores SIGPIPE, and a child inherits that: `yes` would complain, or not end."""
    ran = await lab.bash("yes | head -n 1; echo ${PIPESTATUS[*]}")

    assert (ran.stdout, ran.stderr) == ("y\n141 0\n", "")


async def test_no_signal_is_ignored_or_blocked(lab: Lab) -> None:
    ran = await lab.bash("grep -E 'Sig(Ign|Blk)' /proc/self/status | awk '{print $2}'")

    assert ran.stdout == "0000000000000000\n" * 2


async def test_the_exit_code_is_the_scripts(lab: Lab) -> None:
    assert (await lab.bash("set -e; false; echo not reached")).exit_code == 1
    assert (await lab.bash("nosuchcommand")).exit_code == 127


async def test_a_pipe_in_the_script_reads_the_newline(lab: Lab) -> None:
    ran = await lab.bash('read line; echo "<$line>"; read again; echo $?')

    assert ran.stdout == "<>\n1\n"


async def test_its_own_file_is_not_reported_unless_it_changes(lab: Lab) -> None:
    ran = await lab.bash("ls; echo '# more' >> script.sh")

    assert ran.stdout == "script.sh\n"
    assert list(ran.files) == ["script.sh"]
