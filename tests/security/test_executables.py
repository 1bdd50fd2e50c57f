"""Case 65: programs that a program brings with it."""

import pytest

from tests.live.running_service_caller import Caller, StoredFile

pytestmark = [pytest.mark.docker, pytest.mark.case(65)]

EXECUTE = r"""
program=$(command -v grep)
wanted='^(CapEff|NoNewPrivs|Seccomp):'
cp "$program" /tmp/own
/tmp/own -E "$wanted" /proc/self/status 2>/dev/null; echo "tmp $?"
for loader in /lib*/ld-linux-*.so.* /lib/*/ld-linux-*.so.*; do
  [ -e "$loader" ] && "$loader" /tmp/own -c . /dev/null >/dev/null 2>&1; echo "loader $?"; break
done
cp "$program" /dev/shm/own 2>/dev/null && /dev/shm/own . /dev/null 2>/dev/null; echo "shm $?"
cp given /mnt/data/own && chmod 4755 own && ./own -E "$wanted" /proc/self/status; echo "data $?"
python3 -c '
import os, sys
descriptor = os.memfd_create("own")
with open(sys.argv[1], "rb") as file:
    os.write(descriptor, file.read())
os.execve(descriptor, ["own", "-E", sys.argv[2], "/proc/self/status"], {})
' "$program" "$wanted"; echo "memfd $?"
"""

CONFINED = "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"


def test_a_program_of_ones_own_runs_where_it_may_and_is_as_confined_as_any(
    attacker: Caller,
) -> None:
    """SECURITY.md says what to expect of it: no barrier."""
    ends = attacker.run("cp $(command -v grep) given", lang="bash")
    given = StoredFile(ends["session_id"], ends["files"][0]["id"], "given")

    answer = attacker.run(EXECUTE, given, lang="bash")

    assert answer["stdout"] == (
        f"tmp 126\nloader 127\nshm 126\n{CONFINED}data 0\n{CONFINED}memfd 0\n"
    )
