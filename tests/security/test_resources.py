"""Cases 1 to 6: processes, memory, processor, time. What is bounded, and who ends."""

import secrets
from collections import defaultdict

import pytest

from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller
from tests.security.attacks import Attack, attack, attack_at_once
from tests.security.conftest import RUNTIME
from tests.security.host_view import MIB, Usage, inspected, processes_with, usages

pytestmark = pytest.mark.docker

MAX_PROCESSES = 50
CPU_LIMIT = 0.5
MEMORY_LIMIT_BYTES = 256 * MIB

FORK_BOMB = """
import errno, os
first, told = os.getpid(), False
while True:
    try:
        os.fork()
    except OSError as error:
        if os.getpid() == first and not told:
            told = print(errno.errorcode[error.errno]) is None
"""
THREAD_BOMB = """
import threading, time
told = False
while True:
    try:
        threading.Thread(target=time.sleep, args=(600,)).start()
    except RuntimeError as error:
        told = told or print(error) is None
"""


@pytest.mark.case(1)
def test_a_fork_bomb_is_contained(target: RunningService, attacker: Caller) -> None:
    most: dict[str, int] = {}

    def count() -> None:
        for container, usage in usages(target):
            most[container] = max(usage.processes, most.get(container, 0))

    in_python, in_bash, of_threads = attack_at_once(
        attacker,
        Attack(FORK_BOMB),
        Attack(":(){ :|:& };:\nsleep 600", "bash"),
        Attack(THREAD_BOMB),
        meanwhile=count,
    )

    assert (in_python["stdout"], in_python["status"]) == ("EAGAIN\n", "TO")
    assert (of_threads["stdout"], of_threads["status"]) == ("can't start new thread\n", "TO")
    assert "Resource temporarily unavailable" in in_bash["stderr"]
    assert in_bash["status"] == "TO" or in_bash["code"] != 0
    # By the kernel's own count, not by what programs say.
    assert max(most.values()) == MAX_PROCESSES


@pytest.mark.case(2)
def test_a_daemon_dies_with_its_run(attacker: Caller) -> None:
    """Forked twice, in a session of its own, deaf; or never the same process for a moment."""
    seen: set[str] = set()
    daemon = """
import os, signal, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, signal.SIG_IGN)
open("up", "w").close()
while True:
    if sys.argv[2] == "restless":
        if os.fork():
            os._exit(0)
        os.setsid()
    else:
        time.sleep(600)
"""
    mark = secrets.token_hex(8)
    begin = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("python3", ["python3", "-c", {daemon!r}, "{mark}", *sys.argv[1:]])
    os._exit(0)
while not os.path.exists("up"):
    time.sleep(0.01)
time.sleep(0.5)  # For the host to see it.
print("over")
"""
    answers = attack_at_once(
        attacker,
        *(Attack(begin, more={"args": [kind]}) for kind in ("waiting", "restless")),
        meanwhile=lambda: seen.update(processes_with(mark)),
    )

    # On gVisor, that no sandbox is left after the test says that they are dead.
    assert seen or RUNTIME == "runsc"
    for answer in answers:
        assert (answer["stdout"], answer["code"], answer["status"]) == ("over\n", 0, None)
    eventually(lambda: not processes_with(mark), "the daemons are dead")


@pytest.mark.case(3)
def test_taking_ten_times_the_memory_ends_the_program_alone(
    target: RunningService, attacker: Caller
) -> None:
    much = 10 * MEMORY_LIMIT_BYTES
    shared_memory = f"""
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0, ctypes.c_size_t({much}), 0o1600)
print(segment >= 0)
ctypes.memset(libc.shmat(segment, None, 0), 1, {much})
"""
    answers = attack_at_once(
        attacker,
        Attack(f"print(True)\nbytearray(b'x') * {much}"),
        Attack(shared_memory),
        Attack(
            "echo True\nfor n in {1..8}; do\n"
            f"python3 -S -c \"import time; b = bytearray(b'x') * {much // 8}; time.sleep(60)\""
            " &\ndone\nwait -n || exit 1",
            "bash",
        ),
    )

    for answer in answers:
        assert answer["stdout"] == "True\n"
        assert (answer["status"], answer["signal"], answer["code"]) == ("SG", "SIGKILL", None)
        assert answer["message"] == "Out of memory"
        assert answer["stderr"].endswith("[sandbox] Out of memory\n")
    limits = [sandbox["HostConfig"] for sandbox in inspected(target)]
    assert limits
    assert all(limit["MemorySwap"] == limit["Memory"] > 0 for limit in limits)


@pytest.mark.case(4)
def test_memory_in_the_shape_of_files_is_counted_too(attacker: Caller) -> None:
    """Every tmpfs ends where it is full; all of them and a memfd end the program."""
    fill = """
import errno, os
piece = bytes(1 << 20)
mounts = [line.split() for line in open("/proc/self/mounts")]
for path in sorted(mount[1] for mount in mounts if mount[2] == "tmpfs"):
    try:
        with open(f"{path}/fill", "wb", buffering=0) as file:
            while True:
                file.write(piece)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR):
            print(path, errno.errorcode[error.errno], os.stat(f"{path}/fill").st_size >> 20)
print("memfd")
memory = os.memfd_create("fill")
while True:
    os.write(memory, piece)
"""
    sealed = """
import fcntl, os, mmap
for name in range(10_000):
    memory = os.memfd_create(str(name), os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, 16 << 20)
    mmap.mmap(memory, 16 << 20)[:] = bytes(16 << 20)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)
"""
    filled, mapped = attack_at_once(attacker, Attack(fill), Attack(sealed))

    assert filled["stdout"].splitlines() == [
        "/dev/shm ENOSPC 16",
        "/mnt/data ENOSPC 99",  # The program lies there as well.
        "/run/build ENOSPC 64",
        "/tmp ENOSPC 64",
        "memfd",
    ]
    assert (filled["status"], mapped["status"]) == ("SG", "SG")


@pytest.mark.case(5)
def test_spinning_takes_no_more_than_its_share(
    target: RunningService, attacker: Caller
) -> None:
    looks: defaultdict[str, list[Usage]] = defaultdict(list)

    def look() -> None:
        for container, usage in usages(target):
            looks[container].append(usage)

    threads = (
        "import hashlib, threading\nfor n in range(8):\n"
        "    threading.Thread(target=hashlib.pbkdf2_hmac,"
        " args=('sha256', b'', b'', 10**9)).start()"
    )
    answers = attack_at_once(
        attacker,
        Attack(threads),
        Attack("for n in {1..16}; do while :; do :; done & done; wait", "bash"),
        meanwhile=look,
    )

    assert [answer["status"] for answer in answers] == ["TO", "TO"]
    taken = [
        (seen[-1].cpu_s - seen[0].cpu_s, seen[-1].at - seen[0].at) for seen in looks.values()
    ]
    spun = [(cpu_s, wall_s) for cpu_s, wall_s in taken if cpu_s > 0.05]
    assert spun
    # A second's credit comes on top.
    assert all(cpu_s < CPU_LIMIT * (wall_s + 1) for cpu_s, wall_s in spun)


@pytest.mark.case(6)
def test_a_program_that_sleeps_and_listens_to_no_signal_ends_at_its_time(
    attacker: Caller,
) -> None:
    deaf = (
        "import signal, time\nprint('asleep')\n"
        "for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "while True: time.sleep(1000)"
    )
    answers = attack_at_once(
        attacker,
        Attack(deaf),
        Attack("trap '' TERM INT HUP QUIT; echo asleep; while :; do sleep 60; done", "bash"),
        Attack("echo asleep; sleep 600 & kill -STOP $! $$", "bash"),
    )

    for answer in answers:
        assert answer["stdout"] == "asleep\n"
        assert (answer["status"], answer["signal"], answer["code"]) == ("TO", "SIGKILL", None)
        assert answer["message"] == "Time limit exceeded"
        assert answer["stderr"] == "\n[sandbox] Time limit exceeded\n"


@pytest.mark.case(6)
@pytest.mark.runsc
def test_what_runs_beside_the_program_does_not_hold_the_answer_back(attacker: Caller) -> None:
    answer = attack(attacker, "(trap '' HUP TERM; sleep 600) & echo over", lang="bash")

    assert (answer["stdout"], answer["code"], answer["status"]) == ("over\n", 0, None)
    assert answer["wall_time"] < 3000
