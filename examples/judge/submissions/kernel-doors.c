/* Knocks at the parts of the kernel that have let most people out of sandboxes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
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

int main(void) {
    char zeros[256];
    memset(zeros, 0, sizeof zeros);

    attempt("a bpf map", syscall(SYS_bpf, 0, zeros, sizeof zeros));
    attempt("a performance counter", syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0));
    attempt("an io_uring", syscall(SYS_io_uring_setup, 8, zeros));
    attempt("a userfaultfd", syscall(SYS_userfaultfd, 0));
    attempt("a key", syscall(SYS_add_key, "user", "mark", "x", 1, -3));
    attempt("a keyring", syscall(SYS_keyctl, 0, -3, 1));
    attempt("a kernel module", syscall(SYS_init_module, zeros, sizeof zeros, ""));
    attempt("another kernel", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    attempt("a reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
    attempt("the kernel's log", syscall(SYS_syslog, 3, zeros, sizeof zeros));
    attempt("a file by its handle", syscall(SYS_open_by_handle_at, AT_FDCWD, zeros, O_RDONLY));
    attempt("a quota", syscall(SYS_quotactl, 0, "/", 0, zeros));
    attempt("swap", syscall(SYS_swapon, "/tmp/mark", 0));
    attempt("the clock", syscall(SYS_settimeofday, zeros, NULL));
    attempt("accounting", syscall(SYS_acct, "/tmp/mark"));
    attempt("input and output ports", syscall(SYS_iopl, 3));
    attempt("a watch of the file system", syscall(SYS_fanotify_init, 0, O_RDONLY));

    static const char *devices[] = {"/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun",
                                    "/dev/sda", "/dev/vda", "/dev/loop-control", "/dev/vsock"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        attempt(devices[i], open(devices[i], O_RDWR));

    /* Typing into the terminal of whoever started us. */
    attempt("a key stroke", ioctl(0, TIOCSTI, "x"));

    if (escapes > 0)
        return 66;
    printf("contained: %d attempts, all refused\n", attempts);
    return 0;
}
