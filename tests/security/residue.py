"""What a run finds before it has done anything."""

import json
from typing import Any

from tests.live.running_service_caller import Caller

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


def look(caller: Caller) -> Any:
    """Return what a run finds: nothing that differs between a warm sandbox and a cold one."""
    answer = caller.run(LOOK)
    assert (answer["code"], answer["stderr"]) == (0, "")
    return json.loads(answer["stdout"])
