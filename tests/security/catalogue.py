"""The attack cases, by number. Numbers are stable: SECURITY.md refers to them."""

CASES = {
    1: "fork bomb, thread bomb",
    2: "forked daemons in sessions of their own",
    3: "memory, ten times the limit",
    4: "memory through tmpfs, /dev/shm, memfd",
    5: "spinning on every processor",
    6: "sleeping for ever, deaf to signals",
    7: "filling the disk",
    8: "a sparse file of 1 TB among the outputs",
    9: "a million files",
    10: "folders without end, paths of 4096 bytes",
    11: "every file descriptor",
    12: "10 GB on standard output",
    13: "10 GB on standard error: no line end, no UTF-8, NUL and escape codes",
    14: "forged frames on every descriptor",
    15: "closing, exiting and killing everything in reach",
    16: "out to the internet: TCP, UDP, ICMP, DNS",
    17: "cloud metadata and link-local addresses",
    18: "broker, store, API, host, neighbours, over IPv4 and IPv6",
    19: "past an allow-list proxy",
    20: "abstract, vsock, netlink and packet sockets",
    21: "AF_ALG (CVE-2026-31431), AF_RXRPC (CVE-2026-43500), AF_KEY",
    22: "io_uring, userfaultfd, bpf, perf, keyrings, kexec, modules",
    23: "ptrace, process_vm_readv, /proc/1/mem",
    24: "new namespaces",
    25: "mount, pivot_root, chroot",
    26: "capabilities, no_new_privs, seccomp: what the kernel says",
    27: "setuid programs",
    28: "device nodes",
    29: "what /proc, /sys and the kernel's log tell of the host",
    30: "core_pattern, oom_score_adj, release_agent, cgroup.procs",
    31: "overwriting the interpreter, libraries, /etc/passwd",
    32: "sockets of container engines",
    33: "working directory, arguments and names as options of a runtime",
    34: "secrets in the environment",
    35: "other tenants' files",
    36: "hostname, machine-id, resolv.conf, hosts",
    37: "links among the outputs",
    38: "linked folders; links that are swapped while files are collected",
    39: "hard links",
    40: "FIFOs, sockets, devices and folders among the outputs",
    41: "writing on while files are collected",
    42: "names of outputs",
    43: "10,000 outputs, outputs over the limits",
    44: "names of uploads",
    45: "multipart bodies that lie, stall or never end",
    46: "archives that are bombs or traps",
    47: "JSON that is a bomb",
    48: "another tenant's ids",
    49: "forged and broken tokens",
    50: "keys: guessed, revoked, in the address, in logs",
    51: "programmatic tool calling: forged, replayed, foreign tokens",
    52: "a pickle in restored state",
    53: "what one run leaves in its process for the next",
    54: "poisoned caches and import paths",
    55: "writing into the page cache of shared layers",
    56: "a client that leaves, and comes again",
    57: "executor, engine, broker and store die during a run",
    58: "200 runs at once",
    59: "one tenant floods, another asks once",
    60: "an executor whose clock is wrong",
    61: "10,000 runs, one after the other",
    62: "forged lines and secrets in logs",
    63: "addresses that the service would call for a client",
    64: "languages and filters as patterns and paths",
    65: "downloaded programs in /tmp and /mnt/data, memfd and fexecve",
    66: "a GPU's memory",
}

NOT_APPLICABLE = {
    19: "there is no allow-list proxy: a sandbox has no network at all (cases 16 to 18)",
    66: "sandboxes get no device (case 28)",
}
"""Cases that cannot be tried, and why."""

_ITS_OWN_KERNEL = (
    "our list of calls does not reach in: gVisor's kernel answers them, not the host's"
)

_OUT_OF_MEMORY = "its kernel's own memory for them counts: the sandbox ends as out of memory"

DIFFERS_ON_GVISOR = {
    1: "a fork bomb ends its sandbox: out of memory, or a 502; there is no `EAGAIN`",
    9: _OUT_OF_MEMORY,
    10: "bash itself ends in a folder whose path has over 4096 bytes",
    11: _OUT_OF_MEMORY,
    14: "the supervisor's line is within reach: a program can break or forge its own report",
    15: "as 14; and a program can change how the supervisor is scheduled. Its time still ends",
    20: "netlink sockets can be made, of its own kernel's; no other unusual family",
    21: _ITS_OWN_KERNEL,
    22: _ITS_OWN_KERNEL,
    23: "the other processes of its own sandbox can be looked into, the supervisor included",
    24: "namespaces can be made, of its own kernel's",
    26: "its own scheduler lets a program raise its priority; no line for seccomp",
    28: "devices of its own kernel can be opened and made; none leads to the host",
    29: "there is a kernel's log to read: of gVisor's own kernel, with made-up lines",
    30: "priority and `oom_score_adj` can be set, of its own kernel; the host's do not change",
    38: "its kernel cannot exchange two names in one step, so that race could not be tried",
    51: "as 14, for the calls of its own tools; tokens and results of others are out of reach",
    57: "a removed sandbox is told as a killed program; a restart of the engine was not tried",
    65: "the loader runs a program from a `noexec` folder; it is as confined as any",
}
"""What was tried on gVisor and came out otherwise; docs/production-host.md says more."""

LESS_ON_GVISOR = {61: "passed, with 400 runs"}
"""What was tried on gVisor to a smaller extent."""
