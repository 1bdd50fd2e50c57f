"""Cases 26, 27, 34 and 36: who a program is, and what it is told."""

import json
import socket
import zlib
from pathlib import Path

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files
from tests.security.attacks import (
    ENVIRONMENT,
    REFUSED,
    Attack,
    attack,
    attack_at_once,
    other_than,
    tried,
)

pytestmark = pytest.mark.docker


@pytest.mark.case(26)
def test_the_kernel_says_that_it_may_nothing_and_gains_nothing(attacker: Caller) -> None:
    """Of every process there is, the supervisor included."""
    code = """
import json, os
print(json.dumps([
    dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    for pid in os.listdir("/proc") if pid.isdigit()
]))
"""
    processes = json.loads(attack(attacker, code)["stdout"])

    assert len(processes) > 1
    for status in processes:
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0
        assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
        (uid,) = set(status["Uid"].split())
        assert int(uid) >= 1000
        assert set(status["Gid"].split()) == {uid}
        assert set(status["Groups"].split()) <= {uid}


@pytest.mark.case(26)
def test_nobody_can_be_become_who_it_is_not(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "root": "os.setuid(0)",
            "root, effective": "os.seteuid(0)",
            "its group": "os.setgid(0)",
            "more groups": "os.setgroups([0])",
            "owner": "os.chown('main.py', 0, 0)",
            "capset": "syscall(126, struct.pack('Ii', 0x20080522, 0), b'\\xff' * 24)",
            "ambient": "[syscall(157, 47, 2, number, 0, 0) for number in range(41)]",
            "privileges again": "libc.prctl(38, 0, 0, 0, 0)",
            "a capability that is left": (
                "[number for number in range(41) if libc.prctl(23, number) == 1]"
            ),
            "an attribute": "os.setxattr('main.py', 'security.capability', bytes(20))",
            "faster": "os.setpriority(os.PRIO_PROCESS, 0, -20)",
            "more files": "__import__('resource').setrlimit(7, (1 << 20, 1 << 20))",
        },
        in_children=True,
    )

    assert words.pop("a capability that is left") == "done: []"
    assert words.pop("privileges again") == "done: -1"
    limit = words.pop("more files")
    assert limit.startswith("ValueError") or limit in REFUSED
    assert other_than(REFUSED | {"EINVAL", "ENOTSUP"}, words) == {}


@pytest.mark.case(27)
@pytest.mark.runsc
def test_a_setuid_program_is_a_program_like_any_other(attacker: Caller) -> None:
    code = """
        find /bin/ /sbin/ /usr/bin /usr/sbin /usr/libexec -type f -perm /6000
        command -v sudo ping newuidmap pkexec fusermount
        su root -c "id -u" < /dev/null 2>/dev/null
        mount -t tmpfs none /mnt/data 2>/dev/null && echo mounted
        umount /tmp 2>/dev/null && echo unmounted
        for folder in /mnt/data /run/build; do
            cp /usr/bin/id $folder/own && chmod 6755 $folder/own
            [ "$($folder/own -u)" = "$(id -u)" ] || echo "somebody else in $folder"
        done
        cp /usr/bin/id /tmp/own && chmod 6755 /tmp/own && /tmp/own 2>/dev/null
        cp /usr/bin/id /dev/shm/own && chmod 6755 /dev/shm/own && /dev/shm/own 2>/dev/null
        rm own
        """
    answer = attack(attacker, code, lang="bash")

    assert (answer["stdout"], answer["status"], answer["code"]) == ("", None, 0)


def secrets_of(target: RunningService) -> list[bytes]:
    """Return every key and password of the service."""
    kept = [file.read_bytes().strip() for file in (target.work_dir / "secrets").rglob("*")]
    found = [*kept, *(key.encode() for key in target.keys.values())]
    assert all(len(secret) >= 16 for secret in found)
    return found


@pytest.mark.case(34)
def test_no_secret_is_told_nor_left_in_memory(target: RunningService, attacker: Caller) -> None:
    """The program is forked from the supervisor, and has what that one had in memory."""
    code = """
import json, os, zlib
print(json.dumps(sorted(os.environ)))
told = b""
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for name in "environ", "cmdline", "auxv", "comm":
        try:
            told += open(f"/proc/{pid}/{name}", "rb").read()
        except OSError:
            pass
with open("/proc/self/mem", "rb", buffering=0) as memory, open("dump.bin", "wb") as dump:
    packer = zlib.compressobj(1)
    dump.write(packer.compress(told))
    for line in open("/proc/self/maps"):
        places, rights = line.split()[:2]
        if rights.startswith("rw") and "[vvar" not in line:
            start, end = (int(place, 16) for place in places.split("-"))
            memory.seek(start)
            try:
                for _ in range(start, end, 1 << 20):
                    dump.write(packer.compress(memory.read(min(1 << 20, end - memory.tell()))))
            except OSError:
                pass
    dump.write(packer.flush())
"""
    answer = attack(attacker, code)
    dump = zlib.decompress(attacker.download(stored_files(answer)["dump.bin"]))

    assert set(json.loads(answer["stdout"])) == ENVIRONMENT
    assert b"PYTHONUNBUFFERED" in dump  # It is the memory of a program.
    assert len(dump) > 1_000_000
    for secret in secrets_of(target):
        assert secret not in dump
    for word in (b"redis" + b"://", b"X-API-Key", b"AWS_SECRET", b"/var/run/docker.sock"):
        assert word not in dump


@pytest.mark.case(34)
@pytest.mark.runsc
def test_other_languages_are_told_the_same(attacker: Caller) -> None:
    answers = attack_at_once(
        attacker,
        Attack("env -0 | cut -z -d= -f1 | tr '\\0' '\\n'", "bash"),
        Attack("console.log(Object.keys(process.env).join('\\n'))", "node"),
    )

    for answer in answers:
        names = set(answer["stdout"].split())
        assert names - {"_", "SHLVL", "OLDPWD"} == ENVIRONMENT


@pytest.mark.case(36)
@pytest.mark.runsc
def test_names_are_the_same_for_everybody_and_nobodys(attacker: Caller) -> None:
    code = """
        hostname; cat /etc/hostname; uname -n; echo $HOSTNAME
        cat /etc/machine-id /var/lib/dbus/machine-id /etc/resolv.conf 2>/dev/null
        cat /proc/sys/kernel/domainname | grep -v '^(none)$'
        """
    answer = attack(attacker, code, lang="bash")

    assert set(answer["stdout"].split()) <= {"sandbox", "localdomain"}


@pytest.mark.case(36)
def test_nothing_of_the_hosts_names_is_told(attacker: Caller) -> None:
    own = {socket.gethostname(), *_words("/etc/resolv.conf"), *_words("/etc/machine-id")}
    common = {"nameserver", "search", "options", "localhost", "localdomain"}
    code = "cat /etc/hosts /etc/resolv.conf /etc/hostname /etc/machine-id /proc/*/cgroup 2>&1"
    told = attack(attacker, code, lang="bash")["stdout"]

    assert own - common
    assert not [word for word in own - common if len(word) > 3 and word in told]


def _words(path: str) -> set[str]:
    file = Path(path)
    return set(file.read_text(encoding="utf-8").split()) if file.exists() else set()
