"""Whether the kernel ran out of this sandbox's memory.

Docker's `State.OOMKilled` stayed false when a process other than PID 1 was killed (Engine
20.10, cgroup v1), so the cgroup's own counter is read, before the program and after it.
"""

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
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None
