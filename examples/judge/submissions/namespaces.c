/* Tries to get new namespaces, mounts, roots, users and devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int attempts, escapes;

/* Not permitted and not there are refusals. Any other error comes from behind the door: that call has got through. */
static int is_refusal(long result) {
    return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOENT);
}

static void attempt(const char *what, long result) {
    attempts++;
    if (is_refusal(result))
        return;
    escapes++;
    printf("ESCAPED: %s\n", what);
}

/* In a child, since a new namespace would bar the next attempt. */
static long unshared(int flags) {
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0)
        _exit(unshare(flags) == 0 ? 0 : errno);
    int status;
    if (waitpid(child, &status, 0) != child)
        return -1;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return errno == 0 ? 0 : -1;
}

static long cloned(unsigned long flags) {
    long child = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, NULL, 0);
    return child;
}

static long joined(const char *path) {
    int namespace = open(path, O_RDONLY);
    return namespace < 0 ? -1 : setns(namespace, 0);
}

int main(void) {
    static const struct { const char *name; int flag; } kinds[] = {
        {"user", CLONE_NEWUSER},       {"mount", CLONE_NEWNS}, {"process", CLONE_NEWPID},
        {"network", CLONE_NEWNET},     {"host name", CLONE_NEWUTS}, {"message", CLONE_NEWIPC},
        {"cgroup", CLONE_NEWCGROUP},   {"time", 0x80},
    };
    char what[64];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(what, sizeof what, "a new %s namespace", kinds[i].name);
        attempt(what, unshared(kinds[i].flag));
        snprintf(what, sizeof what, "a new %s namespace within a new user namespace", kinds[i].name);
        attempt(what, unshared(kinds[i].flag | CLONE_NEWUSER));
        if (kinds[i].flag != 0x80) {
            snprintf(what, sizeof what, "a process in a new %s namespace", kinds[i].name);
            attempt(what, cloned((unsigned long)kinds[i].flag));
        }
    }
    attempt("the first process's mounts", joined("/proc/1/ns/mnt"));
    attempt("the first process's network", joined("/proc/1/ns/net"));

    mkdir("/tmp/mark", 0700);
    attempt("a tmpfs", mount("none", "/tmp/mark", "tmpfs", 0, NULL));
    attempt("a second /proc", mount("none", "/tmp/mark", "proc", 0, NULL));
    attempt("a bind mount of /", mount("/", "/tmp/mark", NULL, MS_BIND, NULL));
    attempt("a writable /usr", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
    attempt("no /proc", umount2("/proc", MNT_DETACH));
    attempt("a file system by the new calls", syscall(SYS_fsopen, "tmpfs", 0));
    attempt("a clone of a mount", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    attempt("another root", chroot("/tmp"));
    attempt("a pivoted root", syscall(SYS_pivot_root, "/tmp", "/tmp/mark"));

    attempt("user 0", setuid(0));
    attempt("group 0", setgid(0));
    gid_t none = 0;
    attempt("other groups", setgroups(1, &none));
    attempt("the machine's memory as a device", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
    attempt("a disk as a device", mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)));
    attempt("another host name", sethostname("escaped", 7));

    if (escapes > 0)
        return 66;
    printf("contained: %d attempts, all refused\n", attempts);
    return 0;
}
