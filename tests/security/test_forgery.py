"""Cases 14 and 15: forged reports, and attacks on whoever reports."""

import pytest

from sandbox.supervisor.frames import Kind, encode, encode_json
from tests.executor.memory_stream import ended, output, summary
from tests.live.running_service_caller import Caller
from tests.security.attacks import (
    REFUSED,
    Attack,
    attack,
    attack_at_once,
    other_than,
    tried,
)

pytestmark = pytest.mark.docker

FORGED = (
    encode(Kind.STDOUT, b"said by nobody")
    + ended(exit_code=99)
    + output("../../etc/passwd", 4)
    + encode(Kind.DATA, b"evil")
    + summary(skipped_count=5)
    + encode_json(Kind.REFUSED, {"reason": "forged"})
)

PIECE_HEAD = bytes((1, 0, 0, 0)) + len(FORGED).to_bytes(4)
"""What a Docker engine puts before each piece of output."""


@pytest.mark.case(14)
def test_frames_on_every_descriptor_in_reach_are_text_or_lost(attacker: Caller) -> None:
    """Its own, those that it can open again, those of all others, and the consoles."""
    code = f"""
import glob, os
forged = {FORGED!r}
for number in range(256):
    try:
        os.write(number, forged + {PIECE_HEAD!r} + forged)
    except OSError:
        pass
paths = ["/dev/console", "/dev/tty", "/dev/tty1", "/dev/pts/0", "/dev/ttyS0"]
others = [path for path in glob.glob("/proc/[0-9]*") if path != f"/proc/{{os.getpid()}}"]
paths += [f"{{path}}/fd/{{number}}" for path in others for number in range(64)]
reached = []
for path in paths:
    try:
        os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), forged)
        reached.append(path)
    except OSError:
        pass
os.write(2, str(reached).encode())
os._exit(3)
"""
    answer = attack(attacker, code)

    as_text = (FORGED + PIECE_HEAD + FORGED).decode("utf-8", "replace")
    assert answer["stdout"] == as_text
    assert answer["stderr"] == f"{as_text}[]"
    assert (answer["code"], answer["signal"], answer["status"]) == (3, None, None)
    assert (answer["message"], answer["files"]) == (None, [])
    assert "artifact_truncation" not in answer


@pytest.mark.case(14)
def test_an_answer_that_is_printed_is_not_the_answer(attacker: Caller) -> None:
    code = (
        'printf \'{"session_id": "%021d", "code": 0, "stdout": "forged", "stderr": "",'
        ' "files": [{"id": "%021d", "name": "a"}]}\\n\' 0 0; exit 3'
    )
    answer = attack(attacker, code, lang="bash")

    assert (answer["code"], answer["files"]) == (3, [])
    assert answer["session_id"] != "0" * 21
    assert '"forged"' in answer["stdout"]


@pytest.mark.case(14)
def test_what_a_program_may_tell_its_supervisor_is_its_own_exit_code(attacker: Caller) -> None:
    """A page of memory and a signal, see sandbox/supervisor/last_word.py. It ends with that."""
    code = """
import ctypes, os, signal, time
print("speaking")
for line in open("/proc/self/maps"):
    if " rw-s " in line:
        start, _, rest = line.partition("-")
        ctypes.memmove(int(start, 16), bytes((1, 42)), 2)
os.kill(os.getppid(), signal.SIGUSR1)
time.sleep(1)
open("later.txt", "w").write("still here")
time.sleep(60)
"""
    answer = attack(attacker, code)

    assert (answer["stdout"], answer["code"], answer["files"]) == ("speaking\n", 42, [])
    assert answer["wall_time"] < 1000


@pytest.mark.case(15)
def test_whatever_it_kills_is_its_own_and_what_it_made_is_kept(attacker: Caller) -> None:
    made = "open('made.txt', 'w').write('kept')\n"
    every_signal = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
for number in signal.valid_signals():
    os.kill(1, number)
    libc.syscall(234, 1, 1, number)  # tgkill
    libc.syscall(424, os.pidfd_open(1), number, None, 0)  # pidfd_send_signal
    libc.syscall(129, 1, number, bytes(128))  # rt_sigqueueinfo
os.kill(os.getppid(), signal.SIGKILL)
print("alive")
"""
    answers = attack_at_once(
        attacker,
        Attack(f"import os\n{made}os.closerange(0, 256)\nos._exit(7)"),
        Attack(f"{made}{every_signal}"),
        Attack(
            f"import os, signal\n{made}os.fork() or signal.pause()\n"
            "os.kill(-1, signal.SIGKILL)\nos._exit(4)"
        ),
        Attack("printf kept > made.txt; kill -9 0; sleep 60", "bash"),
        Attack("printf kept > made.txt; exec 0<&- 1>&- 2>&-; kill -9 -1; kill -9 $$", "bash"),
    )

    ends = [(answer["code"], answer["signal"]) for answer in answers]
    assert ends[:3] == [(7, None), (0, None), (4, None)]  # -1 spares who sends it.
    assert ends[3:] == [(None, "SIGKILL")] * 2
    assert answers[1]["stdout"] == "alive\n"
    for answer in answers:
        assert (answer["status"], answer["stderr"]) == (None, "")
        assert [file["name"] for file in answer["files"]] == ["made.txt"]


LIMITS = (
    *("RLIMIT_DATA", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_NOFILE"),
    "RLIMIT_FSIZE",
)


@pytest.mark.case(15)
def test_nobody_limits_the_supervisor(attacker: Caller) -> None:
    """The kernel would allow prlimit(2) among processes of one uid."""
    limit = "__import__('resource').prlimit(1, __import__('resource').{}, (1, 1))"
    words = tried(attacker, {name: limit.format(name) for name in LIMITS})

    assert other_than(REFUSED, words) == {}


@pytest.mark.case(15)
def test_nobody_puts_the_supervisor_behind_the_program(attacker: Caller) -> None:
    """Idle beside 45 others that spin, it took the 11 s of the executor's patience; and a
    PID 1 that is never its turn does not die of SIGKILL either: three such runs left three
    containers, which `docker rm --force` gave up on, and a load of 250.
    """
    words = tried(
        attacker,
        {
            "idle": "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
            "idle, in disguise": "syscall(144, 1 | 1 << 32, 5, bytes(4))",
            "by attributes": "syscall(314, 1, struct.pack('II', 48, 5) + bytes(40), 0)",
            "batch": "os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))",
            "nice": "os.setpriority(os.PRIO_PROCESS, 1, 19)",
            "nice, in disguise": "syscall(141, 0, 1 | 1 << 32, 19)",
            "nice, its group": "os.setpriority(os.PRIO_PGRP, os.getpgid(1), 19)",
            "nice, its user": "os.setpriority(os.PRIO_USER, 0, 19)",
        },
        in_children=True,
    )
    assert other_than(REFUSED, words) == {}

    spinning = """
import os
for pid in 0, 1:
    try:
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        pass
for number in range(45):
    if os.fork() == 0:
        break
while True:
    pass
"""
    assert attack(attacker, spinning)["status"] == "TO"
