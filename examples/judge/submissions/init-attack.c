/* Signals, traces and reads the sandbox's first process and its own parent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int attempts, escapes;

/* Not permitted and not there are refusals. Any other error comes from behind the door: that call has got through. */
static int is_refusal(long result) {
    return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOENT);
}

static void attempt(const char *what, pid_t target, long result) {
    attempts++;
    if (is_refusal(result))
        return;
    escapes++;
    printf("ESCAPED: %s process %d\n", what, target);
}

static long open_of(pid_t target, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", target, name);
    return open(path, flags);
}

static long link_of(pid_t target, const char *name) {
    char path[64], link[256];
    snprintf(path, sizeof path, "/proc/%d/%s", target, name);
    return readlink(path, link, sizeof link);
}

static void attack(pid_t target) {
    static const int signals[] = {0, SIGTERM, SIGHUP, SIGSTOP, SIGSEGV, SIGKILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        attempt("signalled", target, kill(target, signals[i]));
    attempt("traced", target, ptrace(PTRACE_ATTACH, target, NULL, NULL));
    attempt("seized", target, ptrace(PTRACE_SEIZE, target, NULL, NULL));

    char bytes[8];
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)0x400000, sizeof bytes};
    attempt("read the memory of", target, process_vm_readv(target, &here, 1, &there, 1, 0));
    attempt("wrote the memory of", target, process_vm_writev(target, &here, 1, &there, 1, 0));
    attempt("opened the memory of", target, open_of(target, "mem", O_RDWR));
    attempt("opened the environment of", target, open_of(target, "environ", O_RDONLY));
    attempt("listed the files of", target, open_of(target, "fd/0", O_RDONLY));
    attempt("entered the root of", target, open_of(target, "root/.", O_RDONLY));
    attempt("saw the program of", target, link_of(target, "exe"));

    int handle = syscall(SYS_pidfd_open, target, 0);
    for (int number = 0; handle >= 0 && number < 16; number++)
        attempt("took a file of", target, syscall(SYS_pidfd_getfd, handle, number, 0));

    struct rlimit limit = {0, 0};
    attempt("limited", target, prlimit(target, RLIMIT_NOFILE, &limit, NULL));
    attempt("slowed down", target, setpriority(PRIO_PROCESS, target, 19));
}

int main(void) {
    pid_t parent = getppid();
    attack(1);
    if (parent > 1)
        attack(parent);
    if (escapes > 0)
        return 66;
    printf("contained: %d attempts, all refused\n", attempts);
    return 0;
}
