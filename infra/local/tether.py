"""Starts a program that does not outlive the process that asked for it.

Run as a script, by path: `python -I -S tether.py PARENT SIGNAL PROGRAM ARGUMENT...`. It
asks the kernel for SIGNAL when PARENT dies, however it dies, and becomes PROGRAM; the wish
outlives `execve` (prctl(2), PR_SET_PDEATHSIG). A script of its own, because code between
fork and exec in a process that has threads may deadlock.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1

_NO_PARENT = 1
_NOT_STARTED = 127


def main(parent: int, signal_number: int, program: list[str]) -> int:
    """Become `program`; return an exit code only where that fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        sys.stderr.write(f"prctl: {os.strerror(ctypes.get_errno())}\n")
        return _NOT_STARTED
    if os.getppid() != parent:
        return _NO_PARENT  # It died before we asked, so the kernel will not tell us.
    try:
        os.execvp(program[0], program)  # noqa: S606 - that is what it is for
    except OSError as fault:
        sys.stderr.write(f"{program[0]}: {fault.strerror}\n")
    return _NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
