"""What all attempts share: how one says what came of it, and bare system calls.

An attempt is a function. It returns what it got when it got through. It is stopped when it raises an OSError of a number
that it has named, or Stopped. Whatever else is raised means that the attempt is broken, and proves nothing.
"""

import ctypes
import errno
import os
import platform
import sys

# As in src/attempt.rs.
STOPPED = 66

_libc = ctypes.CDLL(None, use_errno=True)
_attempts = {}


class Stopped(Exception):
    """Refused otherwise than by an errno."""


def attempt(*refusals):
    """Marks a function as an attempt that errors of these numbers stop: EPERM and EACCES where none are named."""

    def mark(function):
        _attempts[function.__name__] = (function, refusals or (errno.EPERM, errno.EACCES))
        return function

    return mark


def main():
    """Makes the attempt that the command line names."""
    function, refusals = _attempts[sys.argv[1]]
    try:
        got = function(*sys.argv[2:])
    except Stopped as how:
        stopped = str(how)
    except OSError as error:
        if error.errno not in refusals:
            raise
        stopped = errno.errorcode[error.errno]
    else:
        print(f"out: {got}")
        return
    print(f"stopped: {stopped}")
    sys.stdout.flush()
    os._exit(STOPPED)


# The numbers of x86-64 and of architectures that came later (asm-generic/unistd.h).
_NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "capset": (126, 91),
    "chmod": (90, None),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "creat": (85, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "getpid": (39, 172),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "linkat": (265, 37),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mmap": (9, 222),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open": (2, None),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "openat": (257, 56),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "seccomp": (317, 277),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def number(name):
    """The number of a system call; Stopped where this machine has no such call."""
    here = _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    if here is None:
        raise Stopped("ENOSYS")
    return here


def call(what, *arguments):
    """Makes a system call, by name or number. Raises OSError where it answers an error."""
    which = number(what) if isinstance(what, str) else what
    plain = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    ctypes.set_errno(0)
    answer = _libc.syscall(ctypes.c_long(which), *plain)
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
