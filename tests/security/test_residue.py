"""Cases 53 and 54: what a run might leave behind for the next."""

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.residue import look

pytestmark = [pytest.mark.docker, pytest.mark.runsc]

LEAVE = """
import atexit, builtins, json, os, signal, subprocess, sys, threading, time, warnings
import ctypes, numpy

warnings.simplefilter('ignore')  # numpy may have threads at the fork.

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
