"""Cases 32 and 35: nothing of the engine is there, and nothing of another tenant."""

import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller
from tests.security.attacks import Attack, attack, attack_at_once, other_than, tried

pytestmark = pytest.mark.docker


@pytest.mark.case(32)
def test_no_engine_can_be_spoken_to(attacker: Caller) -> None:
    sockets = (
        *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"),
        *("/run/podman/podman.sock", "/run/crio/crio.sock", "/run/user/0/docker.sock"),
        *(
            "/run/k3s/containerd/containerd.sock",
            "/var/run/dockershim.sock",
            "/run/buildkit.sock",
        ),
        *("/run/systemd/private", "/run/dbus/system_bus_socket", "/host/var/run/docker.sock"),
    )
    helpers = """
def unix(path):
    return socket.socket(socket.AF_UNIX).connect(path)
"""
    words = tried(
        attacker,
        {path: f"unix('{path}')" for path in sockets}
        | {f"by PID 1, {path}": f"unix('/proc/1/root{path}')" for path in sockets}
        | {
            f"port {port} of {host}": f"socket.create_connection(('{host}', {port}))"
            for host in ("127.0.0.1", "172.17.0.1")
            for port in (2375, 2376, 2377, 10250, 6443)
        },
        helpers,
    )
    searched = attack(
        attacker,
        "find / -xdev '(' -type s -o -name '*.sock' ')' 2>/dev/null\n"
        "env | grep -i docker; command -v docker ctr runc crictl podman nsenter; exit 0",
        lang="bash",
    )

    gone = {"ENOENT", "EACCES", "EPERM", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"}
    assert other_than(gone, words) == {}
    # Of util-linux; it can enter nothing (case 24).
    assert set(searched["stdout"].split()) <= {"/usr/bin/nsenter"}


@pytest.mark.case(35)
def test_nothing_of_another_tenants_run_can_be_found(
    target: RunningService, attacker: Caller, victim: Caller
) -> None:
    """While it runs: in files, names, arguments, mounts, and whatever processes show."""
    mark = f"victim-{secrets.token_hex(8)}"
    file = victim.upload(f"{mark}.csv", mark.encode() * 100)
    wait = (
        "exec -a $1 bash -c 'cp *.csv /tmp; cp *.csv /dev/shm; cp *.csv copy.csv; sleep 2' $1"
    )
    searching = """
import json, os
found = {}
def note(where, text):
    found.setdefault(where, []).append(text)
for folder, folders, files in os.walk("/"):
    if folder in ("/proc", "/sys", "/usr", "/opt", "/lib"):
        folders.clear()
    for name in files + folders:
        if "victim-" in name:
            note("names", os.path.join(folder, name))
for folder in "/mnt", "/tmp", "/dev/shm", "/run", "/var", "/home", "/root", "/etc", "/srv":
    for inner, _, files in os.walk(folder):
        for name in files:
            try:
                with open(os.path.join(inner, name), "rb") as file:
                    if b"victim-" in file.read(1 << 20) and name != "main.py":
                        note("contents", os.path.join(inner, name))
            except OSError:
                pass
ids = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
for pid in ids:
    for name in "root", "cwd", "exe":
        try:
            note("links", os.listdir(f"/proc/{pid}/{name}/"))
        except OSError:
            pass
    for name in "cmdline", "environ", "comm", "maps", "status":
        try:
            if b"victim-" in open(f"/proc/{pid}/{name}", "rb").read():
                note("processes", f"/proc/{pid}/{name}")
        except OSError:
            pass
told = ""
for name in ("self/mountinfo", "self/cgroup", "self/mounts", "sysvipc/shm", "net/unix",
             "net/tcp", "locks", "keys", "key-users", "self/maps", "self/limits"):
    try:
        told += open(f"/proc/{name}").read()
    except OSError:
        pass
print(json.dumps([found, len(ids), told]))
"""
    is_over = threading.Event()

    codes: list[int] = []

    def be_there() -> None:
        while not is_over.is_set():
            codes.append(victim.run(wait, file, lang="bash", args=[mark])["code"])

    with ThreadPoolExecutor(1) as elsewhere:
        victims = elsewhere.submit(be_there)
        try:
            # Not by the host's processes: those of a program on gVisor are not among them.
            eventually(lambda: codes or victims.done(), "the victim runs one after the other")
            answers = attack_at_once(
                attacker,
                Attack(searching),
                Attack(
                    "find /mnt /tmp /run /dev /var -name '*victim-*'; ls /proc/*/cwd/", "bash"
                ),
            )
        finally:
            is_over.set()

    victims.result()
    assert len(codes) > 1
    assert set(codes) == {0}
    found, processes, told = json.loads(answers[0]["stdout"])
    assert found == {}
    assert processes <= 3
    assert "victim-" not in answers[1]["stdout"]
    for secret in (mark, file.session_id, file.id, *target.keys.values()):
        assert secret not in told
    assert str(target.work_dir) not in told


WATCHES = """
import ctypes, fcntl, json, os, signal, time

IN_OPEN = 0x20
told = []
libc = ctypes.CDLL(None)
watcher = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(watcher, b"/mnt/shared/README.md", IN_OPEN)
signal.signal(signal.SIGIO, lambda *_: told.append("by a signal"))
try:
    folder = os.open("/mnt/shared", os.O_RDONLY)
    fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MULTISHOT)
except OSError:
    pass
time.sleep(2)
try:
    told += ["by inotify"] if os.read(watcher, 4096) else []
except OSError:
    pass
print(json.dumps(told))
"""


@pytest.mark.case(35)
def test_nobody_is_told_what_others_do_with_files_that_all_have(
    attacker: Caller, victim: Caller
) -> None:
    """Which commands, libraries and fonts another tenant's program opens."""
    with ThreadPoolExecutor(1) as elsewhere:
        watching = elsewhere.submit(attack, attacker, WATCHES)
        while not watching.done():
            attack(victim, "cat /mnt/shared/README.md > /dev/null", lang="bash")

    assert (watching.result()["stdout"], watching.result()["stderr"]) == ("[]\n", "")
