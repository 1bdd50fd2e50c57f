"""Cases 53 to 55: what a run might leave behind for the next, and in what all of them share."""

import json
from typing import Any

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller

pytestmark = [pytest.mark.docker, pytest.mark.runsc]

LOOK = """
import builtins, gc, json, os, resource, signal, sys, threading
import numpy

def listed(folder):
    found = []
    for path, _, names in os.walk(folder):
        found += [os.path.join(path, name) for name in names]
    return sorted(name for name in found if 'fontlist' not in name)  # Made by a warm one.

def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return error.strerror

folders = ('/tmp', '/dev/shm', '/var/tmp', '/var/spool', '/run')
pids = [name for name in os.listdir('/proc') if name.isdigit()]
print(json.dumps({
    'files': [listed(folder) for folder in folders],
    'workspace': listed('/mnt/data'),
    'environment': dict(os.environ),
    'cwd': os.getcwd(),
    'umask': os.umask(0o77),
    'limits': [resource.getrlimit(number) for number in range(16)],
    'signals': {number.name: str(signal.getsignal(number)) for number in signal.Signals},
    'threads': [thread.name for thread in threading.enumerate()],
    'descriptors': os.listdir('/proc/self/fd'),
    'processes': sorted({read(f'/proc/{pid}/comm') for pid in pids}),
    'modules': [name for name in sys.modules if 'leaked' in name],
    'path': sys.path,
    'hooks': [repr(hook) for hook in (sys.meta_path[1:], sys.excepthook, sys.gettrace())],
    'patched': [builtins.print is not print, builtins.open.__module__, json.dumps.__module__,
                numpy.mean.__module__, hasattr(builtins, 'leaked'), hasattr(sys, 'leaked')],
    'shared memory': [read(f'/proc/sysvipc/{kind}') for kind in ('shm', 'sem', 'msg')],
    'collector': gc.isenabled(),
}))
"""

LEAVE = """
import atexit, builtins, json, os, signal, subprocess, sys, threading, time
import ctypes, numpy

for folder in ('/tmp', '/dev/shm', '/var/tmp', '/run', '/mnt/data', '/mnt/data/.config'):
    for name in ('leaked', '.leaked', 'sitecustomize.py', 'leaked.pth'):
        try:
            os.makedirs(folder, exist_ok=True)
            open(os.path.join(folder, name), 'w').write('import builtins; builtins.leaked = 1')
        except OSError:
            pass
subprocess.run('(crontab -l; echo "* * * * * id") | crontab -', shell=True, stderr=-3)
os.environ.update(LEAKED='1', PYTHONPATH='/tmp', LD_PRELOAD='/tmp/x.so', BASH_ENV='/tmp/leaked')
ctypes.CDLL(None).putenv(b'LEAKED=2')
ctypes.CDLL(None).shmget(4711, 4096, 0o1666)
ctypes.CDLL(None).semget(4711, 1, 0o1666)
atexit.register(print, 'leaked')
builtins.leaked = sys.leaked = True
builtins.print = json.dumps = numpy.mean = lambda *_, **__: 'leaked'
numpy.random.seed(1)
sys.path.insert(0, '/tmp')
sys.modules['leaked'] = json
signal.signal(signal.SIGALRM, lambda *_: None)
os.umask(0)
os.chdir('/tmp')
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).prctl(15, b'leaked')
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""

DRAW = """
import numpy, os, random, secrets, uuid
print(random.random(), numpy.random.random(), uuid.uuid4(), uuid.uuid1(), secrets.token_hex(8),
      os.urandom(8).hex())
"""


def look(caller: Caller) -> Any:
    """Return what a run finds: nothing that differs between a warm sandbox and a cold one."""
    answer = caller.run(LOOK)
    assert (answer["code"], answer["stderr"]) == (0, "")
    return json.loads(answer["stdout"])


@pytest.mark.case(53)
def test_nothing_that_a_run_leaves_is_found_by_the_next(
    target: RunningService, attacker: Caller, victim: Caller
) -> None:
    before = look(victim)
    assert before["workspace"] == ["/mnt/data/main.py"]

    for _ in range(target.pool_size + 1):
        left = attacker.run(LEAVE)
        assert left["stderr"] == ""
        assert left["code"] == 0

    for _ in range(target.pool_size + 1):
        assert look(victim) == before


@pytest.mark.case(53)
def test_no_two_runs_draw_the_same_numbers(target: RunningService, victim: Caller) -> None:
    """Their sandboxes have made the same preparations, and must not have drawn from them."""

    draws = [victim.run(DRAW)["stdout"].split() for _ in range(target.pool_size + 1)]

    for column in zip(*draws, strict=True):
        assert len(set(column)) == len(draws)


POISON = """
import glob, os, site, sys
LINE = 'import builtins; builtins.leaked = True; print("leaked")'
places = {
    *site.getsitepackages(), *sys.path, os.path.dirname(os.__file__), sys.prefix,
    '/opt/code-command/supervisor', '/opt/code-command/matplotlib', '/opt/node/lib',
    '/mnt/shared', '/etc', '/etc/profile.d', '/usr/local/bin', '/root', '/home', '/var/cache',
    '/var/cache/fontconfig', '/var/lib', '/usr/share/fonts', '/opt/python/lib/python3.13',
    *glob.glob('/opt/python/lib/python3.13/site-packages/numpy/*/'),
}
names = (
    'sitecustomize.py', 'usercustomize.py', 'leaked.pth', 'json.py', 'matplotlibrc',
    'ld.so.preload',
)
for place in sorted(places - {'/mnt/data'}):
    for name in names:
        try:
            with open(os.path.join(place, name), 'w') as file:
                file.write(LINE)
            print('written:', place, name)
        except OSError:
            pass
for found in ('/opt/python/pip.conf', '/etc/passwd', '/etc/profile', *glob.glob(
    '/opt/python/lib/python3.13/site-packages/numpy/**/*.pyc', recursive=True
)[:20]):
    for attempt in (lambda: open(found, 'r+b'), lambda: os.remove(found),
                    lambda: os.rename(found, found + '~'), lambda: os.chmod(found, 0o777),
                    lambda: os.utime(found), lambda: os.truncate(found, 0)):
        try:
            attempt()
            print('changed:', found)
        except OSError:
            pass
for name, value in {
    'sitecustomize.py': LINE, 'matplotlibrc': 'font.size: 99',
    '.config/matplotlib/matplotlibrc': 'font.size: 99',
    '.local/lib/python3.13/site-packages/leaked.pth': LINE, '.bashrc': 'echo leaked',
    '.cache/fontconfig/x': 'x', '.config/pip/pip.conf': '[global]',
}.items():
    for home in ('/mnt/data', '/tmp', '/tmp/matplotlib', '/tmp/.cache', '/tmp/.config'):
        path = os.path.join(home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, 'w').write(value)
"""

OWN_NAMES = ("hashlib.py", "os.py", "supervisor/__init__.py", "frames.py", "json/__init__.py")


@pytest.mark.case(54)
def test_what_all_runs_import_is_written_by_none(
    target: RunningService, attacker: Caller, victim: Caller
) -> None:
    before = look(victim)

    for _ in range(target.pool_size):
        assert attacker.run(POISON)["stdout"] == ""

    assert look(victim) == before
    size = "import matplotlib\nprint(matplotlib.rcParams['font.size'])"
    assert victim.run(size)["stdout"] == "10.0\n"
    assert victim.run("bash -lc 'echo fresh'", lang="bash")["stdout"] == "fresh\n"


@pytest.mark.case(54)
def test_inputs_that_are_called_as_the_supervisors_modules_are_not_imported_by_it(
    attacker: Caller,
) -> None:
    poison = b"raise SystemExit('poisoned')"
    files = attacker.upload_all(dict.fromkeys(OWN_NAMES, poison))

    answer = attacker.run("open('new.txt', 'w').write('new')", *files)

    assert (answer["code"], answer["stderr"]) == (0, "")
    # Who is unchanged is told by a hash, with a module that the supervisor imports now.
    inherited = {file["name"] for file in answer["files"] if file.get("inherited")}
    assert inherited == set(OWN_NAMES)


HASHES = """
import glob, hashlib, json, sys
paths = ['/etc/passwd', '/bin/bash', '/usr/bin/env', sys.executable,
         *glob.glob('/usr/lib/*/libc.so.6'), '/opt/code-command/supervisor/serve.py',
         '/opt/python/lib/python3.13/site-packages/numpy/__init__.py']
print(json.dumps({path: hashlib.sha256(open(path, 'rb').read()).hexdigest() for path in paths}))
"""

WRITE_PAGES = """
import ctypes, errno, mmap, os, threading, time

MARK = b'leaked!'
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def attempts(path):
    file = os.open(path, os.O_RDONLY)

    def through_memory(kind):
        address = libc.mmap(None, 4096, mmap.PROT_READ, kind, file, 0)
        memory = os.open('/proc/self/mem', os.O_RDWR)
        os.pwrite(memory, MARK, address + 1)
        return address, memory

    def shared_mapping():
        through_memory(mmap.MAP_SHARED)

    def dirty_cow():  # CVE-2016-5195
        address, memory = through_memory(mmap.MAP_PRIVATE)
        end = time.monotonic() + 0.3
        def forget():
            while time.monotonic() < end:
                libc.madvise(address, 4096, 4)
        thread = threading.Thread(target=forget)
        thread.start()
        while time.monotonic() < end:
            os.pwrite(memory, MARK, address + 1)
        thread.join()

    def dirty_pipe():  # CVE-2022-0847
        reader, writer = os.pipe()
        size = 65536
        os.write(writer, bytes(size))
        while size:
            size -= len(os.read(reader, size))
        os.splice(file, writer, 1, offset_src=0)
        os.write(writer, MARK)

    def spliced_pages():
        reader, writer = os.pipe()
        os.splice(file, writer, 4096, offset_src=0)
        start = ctypes.cast(ctypes.c_char_p(MARK), ctypes.c_void_p)
        vector = (ctypes.c_void_p * 2)(start, len(MARK))
        libc.vmsplice(writer, vector, 1, 8)

    def writable_mapping():
        address = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
        if libc.mprotect(ctypes.c_void_p(address), 4096, 3) == 0:
            ctypes.memmove(address + 1, MARK, len(MARK))

    def again_by_descriptor():
        os.pwrite(os.open(f'/proc/self/fd/{file}', os.O_RDWR), MARK, 1)

    def copied():
        own = os.open('/tmp/mark', os.O_RDWR | os.O_CREAT)
        os.write(own, MARK)
        os.copy_file_range(own, file, len(MARK), offset_src=0, offset_dst=1)

    return (shared_mapping, dirty_cow, dirty_pipe, spliced_pages, writable_mapping,
            again_by_descriptor, copied, lambda: os.pwrite(file, MARK, 1),
            lambda: os.posix_fallocate(file, 0, 1 << 20), lambda: os.ftruncate(file, 1))

for path in ('/etc/passwd', '/opt/code-command/supervisor/serve.py', '/usr/bin/env'):
    for attempt in attempts(path):
        try:
            attempt()
        except OSError:
            pass
    if MARK in open(path, 'rb').read():
        print('written:', path)
print('tried')
"""


@pytest.mark.case(55)
def test_the_pages_of_shared_layers_cannot_be_written(attacker: Caller, victim: Caller) -> None:
    before = json.loads(victim.run(HASHES)["stdout"])

    answer = attacker.run(WRITE_PAGES)

    assert (answer["stdout"], answer["stderr"]) == ("tried\n", "")
    assert json.loads(victim.run(HASHES)["stdout"]) == before
    assert json.loads(attacker.run(HASHES)["stdout"]) == before
