/* System calls through the doors that filters forget: the ABI of 32-bit programs (int 0x80) and
 * x32. A filter by number sees other calls there; a filter by arguments sees none of
 * socketcall's. Each is tried in a process of its own; prints `door call outcome` lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct attempt {
    const char *call;
    long number;
    long arguments[5];
};

static long by_interrupt(const struct attempt *it) {
    long result;
    const long *a = it->arguments;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(it->number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

static long by_x32(const struct attempt *it) {
    const long *a = it->arguments;
    long result = syscall(it->number | 0x40000000, a[0], a[1], a[2], a[3], a[4]);
    return result < 0 ? -errno : result;
}

static void try(const char *door, long (*call)(const struct attempt *), const struct attempt *it) {
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        long result = call(it);
        printf("%s %s %s\n", door, it->call, result < 0 ? strerrorname_np(-result) : "done");
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) {
        printf("%s %s SIG%s\n", door, it->call, sigabbrev_np(WTERMSIG(status)));
    }
}

int main(void) {
    /* Where 32 bits reach. */
    unsigned *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) {
        return 1;
    }
    char *text = (char *)(low + 1024);
    strcpy(text, "tmpfs");
    strcpy(text + 16, "/tmp");
    long name = (long)text, folder = (long)(text + 16), memory = (long)(low + 2048);
    int families[] = {15 /* KEY */, 16 /* NETLINK */, 17 /* PACKET */, 33 /* RXRPC */,
                      38 /* ALG */, 40 /* VSOCK */};
    for (unsigned n = 0; n < sizeof(families) / sizeof(families[0]); n++) {
        unsigned *arguments = low + 4 * n;
        arguments[0] = families[n];
        arguments[1] = families[n] == 38 ? 5 : families[n] == 40 ? 1 : 3;
        struct attempt hidden = {"socketcall", 102, {1, (long)arguments}};
        struct attempt plain = {"socket", 359, {families[n], arguments[1], 0}};
        struct attempt x32 = {"socket", 41, {families[n], arguments[1], 0}};
        try("int80", by_interrupt, &hidden);
        try("int80", by_interrupt, &plain);
        try("x32", by_x32, &x32);
    }
    const struct attempt interrupted[] = {
        {"mount", 21, {name, folder, name, 0, 0}}, {"umount2", 52, {folder, 2}},
        {"chroot", 61, {folder}},                  {"pivot_root", 217, {folder, folder}},
        {"unshare", 310, {0x10000000}},            {"clone", 120, {0x10000000 | 17, 0, 0, 0, 0}},
        {"setns", 346, {0, 0}},                    {"ptrace", 26, {16, 1, 0, 0}},
        {"process_vm_readv", 347, {1, memory, 1, memory, 1}},
        {"init_module", 128, {memory, 1, name}},   {"finit_module", 350, {0, name, 0}},
        {"kexec_load", 283, {0, 0, 0, 0}},         {"bpf", 357, {0, memory, 72}},
        {"userfaultfd", 374, {1}},                 {"perf_event_open", 336, {memory, 0, -1, -1, 0}},
        {"io_uring_setup", 425, {1, memory}},      {"add_key", 286, {name, name, memory, 1, -3}},
        {"keyctl", 288, {0, -3, 1}},               {"open_by_handle_at", 342, {0, memory, 0}},
        {"iopl", 110, {3}},                        {"syslog", 103, {3, memory, 4096}},
        {"mknod", 14, {folder, 0x6000 | 0600, 0x800}},
        {"sethostname", 74, {name, 5}},            {"reboot", 88, {0}},
    };
    for (unsigned n = 0; n < sizeof(interrupted) / sizeof(interrupted[0]); n++) {
        try("int80", by_interrupt, &interrupted[n]);
    }
    const struct attempt x32[] = {
        {"mount", 165, {name, folder, name, 0, 0}}, {"unshare", 272, {0x10000000}},
        {"clone", 56, {0x10000000 | 17, 0, 0, 0, 0}}, {"bpf", 321, {0, memory, 72}},
        {"userfaultfd", 323, {1}},                  {"io_uring_setup", 425, {1, memory}},
        {"keyctl", 250, {0, -3, 1}},                {"ptrace", 521, {16, 1, 0, 0}},
        {"process_vm_readv", 539, {1, memory, 1, memory, 1}},
        {"init_module", 175, {memory, 1, name}},    {"kexec_load", 528, {0, 0, 0, 0}},
    };
    for (unsigned n = 0; n < sizeof(x32) / sizeof(x32[0]); n++) {
        try("x32", by_x32, &x32[n]);
    }
    return 0;
}
