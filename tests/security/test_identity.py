"""Cases 26, 27, 33, 34 and 36: who a program is, and what it is told."""

import json
import secrets
import socket
from pathlib import Path

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files
from tests.security.attacks import (
    REFUSED,
    Attack,
    attack,
    attack_at_once,
    other_than,
    tried,
)
from tests.security.host_view import inspected

pytestmark = pytest.mark.docker

ENVIRONMENT = {
    *("GOMAXPROCS", "HOME", "LANG", "LOGNAME", "MATPLOTLIBRC", "MKL_NUM_THREADS", "MPLBACKEND"),
    *("MPLCONFIGDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PWD"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "USER", "XDG_CACHE_HOME"),
    "XDG_CONFIG_HOME",
}
"""All that a program is told."""


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
@pytest.mark.runsc
def test_nobody_can_be_become_who_it_is_not(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "root": "os.setuid(0)",
            "root, effective": "os.seteuid(0)",
            "its group": "os.setgid(0)",
            "more groups": "os.setgroups([0])",
            "for files": "syscall(122, 0) or os.chown('main.py', 0, 0)",
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
        find / -xdev -type f -perm /6000 2>/dev/null
        command -v su sudo mount umount ping passwd chsh newuidmap pkexec fusermount
        for folder in /mnt/data /run/build; do
            cp /usr/bin/id $folder/own && chmod 6755 $folder/own
            [ "$($folder/own -u)" = "$(id -u)" ] || echo "somebody else in $folder"
        done
        cp /usr/bin/id /tmp/own && chmod 6755 /tmp/own && /tmp/own 2>/dev/null
        cp /usr/bin/id /dev/shm/own && chmod 6755 /dev/shm/own && /dev/shm/own 2>/dev/null
        rm own
        """
    assert attack(attacker, code, lang="bash")["stdout"] == ""


@pytest.mark.case(33)
def test_what_a_client_sends_is_data_and_no_option_of_a_runtime(
    target: RunningService, attacker: Caller
) -> None:
    """CVE-2024-21626 began with a working directory of `/proc/self/fd/7`."""
    mark = secrets.token_hex(8)
    args = [
        *("--", "-c", "--privileged", "--user=0", "--workdir=/proc/self/fd/7", "-e", f"A={mark}"),
        *("two\nlines", "", "$(id)", "`id`", "%s%n", "; id", "\x1b[2J", "-", "ü\u202e", mark),
    ]
    extra = {
        **{name: "/proc/self/fd/7" for name in ("workdir", "WorkingDir", "cwd", "working_dir")},
        **{"user": "0:0", "User": "0", "privileged": True, "runtime": mark, "image": mark},
        **{"env": {"A": mark}, "Env": [f"A={mark}"], "Cmd": [mark], "entrypoint": [mark]},
        **{"HostConfig": {"Privileged": True, "Binds": ["/:/host"]}, "mounts": ["/:/host"]},
        **{"network": "host", "memory": 1 << 40, "cpus": 64, "runtime_session_hint": "../../x"},
    }
    code = (
        "import json, os, sys, time\n"
        "print(json.dumps([sys.argv[1:], os.getcwd(), os.getuid() > 0, os.path.exists('/host'),"
        " sorted(os.environ)]))\ntime.sleep(1)"
    )
    seen: list[str] = []
    (answer,) = attack_at_once(
        attacker,
        Attack(code, more={"args": args, **extra}),
        meanwhile=lambda: seen.extend(json.dumps(each) for each in inspected(target)),
    )

    told_args, folder, is_nobody, has_host, environment = json.loads(answer["stdout"])
    assert (told_args, folder) == (args, "/mnt/data")
    assert (is_nobody, has_host) == (True, False)
    assert set(environment) == ENVIRONMENT
    assert seen
    assert not [sandbox for sandbox in seen if mark in sandbox or '"/proc/self' in sandbox]


@pytest.mark.case(33)
@pytest.mark.parametrize(
    "body",
    [
        {"args": ["a\0b"]},
        {"args": ["--"] * 10_000},
        {"args": {"--privileged": True}},
        {"args": "a\0b"},
        {"lang": "py\0"},
        {"lang": "py --privileged"},
        {"lang": "--help"},
        {"lang": "/proc/self/fd/7"},
        {"lang": "../../bin/bash"},
        {"files": [{"id": "x" * 21, "session_id": "y" * 21, "name": "/proc/self/fd/7"}]},
        {"files": [{"id": "x" * 21, "session_id": "y" * 21, "name": "a\0b"}]},
        {"files": [{"id": "../../etc/passwd", "session_id": "y" * 21, "name": "a"}]},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_what_cannot_be_data_is_refused(attacker: Caller, body: dict[str, object]) -> None:
    answer = attacker.http.post("/exec", json={"lang": "py", "code": "print(1)", **body})

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"]


@pytest.mark.case(33)
def test_nor_is_a_file_kept_under_the_name_of_a_descriptor(attacker: Caller) -> None:
    upload = {"file": ("/proc/self/fd/7", b"x")}
    answer = attacker.http.post("/upload", files=upload)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"] == "files[].name must be a relative path"


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
    dump = _unpacked(attacker.download(stored_files(answer)["dump.bin"]))

    assert set(json.loads(answer["stdout"])) == ENVIRONMENT
    assert b"PYTHONUNBUFFERED" in dump  # It is the memory of a program.
    assert len(dump) > 1_000_000
    for secret in secrets_of(target):
        assert secret not in dump
    for word in (b"redis" + b"://", b"X-API-Key", b"AWS_SECRET", b"/var/run/docker.sock"):
        assert word not in dump


def _unpacked(data: bytes) -> bytes:
    import zlib  # noqa: PLC0415 - here alone

    return zlib.decompress(data)


@pytest.mark.case(34)
@pytest.mark.runsc
@pytest.mark.parametrize(
    ("lang", "code"),
    [
        ("bash", "env -0 | cut -z -d= -f1 | tr '\\0' '\\n'"),
        ("node", "console.log(Object.keys(process.env).join('\\n'))"),
    ],
)
def test_other_languages_are_told_the_same(attacker: Caller, lang: str, code: str) -> None:
    names = set(attack(attacker, code, lang=lang)["stdout"].split())

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
