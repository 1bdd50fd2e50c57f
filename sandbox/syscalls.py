"""Which system calls a program may make, and why it may not make the others.

It began as Docker's list for containers without capabilities, and has lost what programs of
ours do not need and attackers of kernels do. What is in neither table is refused as well.
Nobody is killed for a call: it fails, with EPERM, or with ENOSYS where libraries take that as a
reason to do without.

The names are those of amd64 and arm64. No other way into the kernel is open: the calls of
32-bit programs and of x32 have numbers, structures and bugs of their own, `socketcall` hides
its arguments from every filter, and no program of the image is one of theirs. A thread that
tries is ended by SIGSYS, libseccomp's answer to all of them; a list cannot choose another.
"""

import errno
from typing import NamedTuple

ALLOWED: dict[str, str] = {
    "files and folders": """
        access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
        faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat
        fdatasync flock fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64
        lchown link linkat lseek lstat mkdir mkdirat mknod mknodat newfstatat open openat
        openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink
        readlinkat readv rename renameat renameat2 rmdir sendfile splice stat statfs statx
        symlink symlinkat sync_file_range tee truncate umask unlink unlinkat utime utimensat
        utimes write writev
        """,
    "their attributes": """
        fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr
        listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr
        setxattrat
        """,
    "waiting for them": """
        epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd
        eventfd2 pipe pipe2 poll
        ppoll pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime
        """,
    "memory": """
        brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap
        mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
        """,
    "processes and threads": """
        arch_prctl execve execveat exit exit_group fork futex futex_requeue futex_wait
        futex_waitv futex_wake get_robust_list getcpu getitimer getpgid getpgrp getpid getppid
        getpriority getrlimit getrusage getsid gettid ioprio_get pidfd_open
        pidfd_send_signal prctl rseq sched_get_priority_max sched_get_priority_min
        sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
        sched_setaffinity sched_yield
        set_robust_list set_tid_address setitimer setpgid setrlimit setsid uprobe
        uretprobe vfork wait4 waitid
        """,
    "signals": """
        kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
        rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill
        """,
    "what changes nothing without capabilities, but is asked": """
        capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid
        setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid
        """,
    "taking rights away from oneself": """
        landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
        """,
    "clocks, chance and names": """
        alarm clock_getres clock_gettime clock_nanosleep getrandom gettimeofday nanosleep
        sysinfo time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
        times uname
        """,
    "messages between its own processes": """
        mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget
        msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget
        """,
    "sockets, once `ONLY_WITH` has let one be made": """
        accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg
        recvmsg sendmmsg sendmsg sendto setsockopt shutdown
        """,
}


class Refused(NamedTuple):
    """A group of system calls that fail."""

    names: str
    why: str
    answer: int = errno.EPERM


REFUSED: dict[str, Refused] = {
    "other processes": Refused(
        "kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv process_vm_writev "
        "ptrace",
        "They look into processes of the same user, such as the supervisor, or change them. "
        "Debuggers do not work for that, and `-fsanitize=address` needs "
        "`ASAN_OPTIONS=detect_leaks=0`.",
    ),
    "namespaces": Refused(
        "setns unshare",
        "In a user namespace anybody is root, and much of the kernel was written for a root "
        "who can be trusted. `clone` is allowed without these flags.",
    ),
    "clone3": Refused(
        "clone3",
        "Its flags are in memory, where no filter can see them. C libraries then use `clone`.",
        errno.ENOSYS,
    ),
    "file systems": Refused(
        "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree "
        "pivot_root quotactl quotactl_fd swapoff swapon umount2",
        "Escapes from containers begin here; parsers of file systems expect no hostile images.",
    ),
    "handles": Refused(
        "name_to_handle_at open_by_handle_at",
        "A file's handle opens it anywhere on its file system, not in the container alone "
        "(Shocker).",
    ),
    "the kernel's own programs": Refused(
        "bpf perf_event_open userfaultfd",
        "BPF's verifier and perf have been wrong often; userfaultfd stops the kernel in the "
        "middle of a race until the attacker has won it.",
    ),
    "asynchronous input and output": Refused(
        "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit io_uring_enter "
        "io_uring_register io_uring_setup",
        "io_uring makes calls that no filter sees, and has led the lists of kernel exploits; "
        "the older interface has no user in the image. Event loops take epoll and threads.",
        errno.ENOSYS,
    ),
    "keys": Refused(
        "add_key keyctl request_key",
        "The kernel's key rings know no containers: keys of one could be another's.",
    ),
    "the kernel's parts": Refused(
        "create_module delete_module finit_module get_kernel_syms init_module kexec_file_load "
        "kexec_load query_module reboot",
        "They change which kernel runs.",
    ),
    "the host's logs and accounts": Refused(
        "acct fanotify_init fanotify_mark lookup_dcookie syslog vhangup",
        "They tell of other containers' files and processes, or write about them.",
    ),
    "what others do with a file": Refused(
        "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch",
        "The image's files are the same ones in every sandbox that the `oci` engine makes, and "
        "those of `/mnt/shared` in any: whoever watched them was told, as it happened, which "
        "commands, libraries and fonts other tenants' programs opened. `tail -f` and others "
        "look now and then instead.",
        errno.ENOSYS,
    ),
    "the host's names and clocks": Refused(
        "adjtimex clock_adjtime clock_settime setdomainname sethostname settimeofday",
        "Clocks are everybody's. Whether `adjtimex` reads or writes is in memory.",
    ),
    "the processor": Refused(
        "ioperm iopl modify_ldt",
        "Ports of devices; segments, which only 16-bit programs need and exploits liked.",
    ),
    "the neighbours' disks and memory": Refused(
        "get_mempolicy mbind migrate_pages move_pages set_mempolicy sync syncfs",
        "`sync` writes out every file system of the host and waits for it; nothing of a "
        "sandbox's is on a disk. Placing pages is the host's business.",
    ),
    "sockets behind one number": Refused(
        "ipc socketcall",
        "Where these exist, libseccomp would allow them along with `socket`, whatever the "
        "family: it must be told not to, with another answer than the usual one.",
        errno.ENOSYS,
    ),
    "new ones that tell too much": Refused(
        "cachestat listmount listns lsm_get_self_attr lsm_list_modules lsm_set_self_attr "
        "open_tree_attr statmount",
        "What lies in the page cache, which all sandboxes share, and what is mounted.",
        errno.ENOSYS,
    ),
    "rare ones with a bad past": Refused(
        "memfd_secret remap_file_pages set_mempolicy_home_node vmsplice",
        "Every library that knows them can do without.",
        errno.ENOSYS,
    ),
    "what is long gone, or another processor's": Refused(
        "_sysctl afs_syscall epoll_ctl_old epoll_wait_old get_thread_area getpmsg nfsservctl "
        "putpmsg security set_thread_area sysfs tuxcall uselib ustat vserver",
        "No program of today calls them.",
    ),
}
