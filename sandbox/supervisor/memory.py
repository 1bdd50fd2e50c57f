"""Whether the kernel ran out of this sandbox's memory.

Docker's `State.OOMKilled` stayed false when a process other than PID 1 was killed (Engine
20.10, cgroup v1), so the cgroup's own counter is read, before the program and after it.
"""

import os

_MOST_BYTES = 4096

_COUNTERS = (
    "/sys/fs/cgroup/memory.events",  # cgroup v2
    "/sys/fs/cgroup/memory/memory.oom_control",  # cgroup v1
)


def count_oom_kills() -> int | None:
    """Return how many processes of this sandbox the kernel killed for memory so far.

    `None` where the runtime shows no counter (gVisor).
    """
    for path in _COUNTERS:
        try:
            # Not as text: that imports a codec at the first time, 1 ms of the first program's.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            lines = os.read(descriptor, _MOST_BYTES).splitlines()
        finally:
            os.close(descriptor)
        for line in lines:
            name, _, value = line.partition(b" ")
            if name == b"oom_kill":
                return int(value)
    return None
