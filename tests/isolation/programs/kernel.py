"""Knocks at doors of the kernel: each call is made in a way that does nothing where it is let through.

A sandbox answers EPERM or ENOSYS, before the kernel's own code sees the call. Any other answer, of success or failure, is
that code's: the door is open.
"""

import ctypes
import errno
import os
import signal
import sys

from attempt import Stopped, attempt, call, main

NOWHERE = b"/nonexistent/file"
FLAGS = 0x7FFFFFFF


def _zeros():
    return ctypes.create_string_buffer(256)


DOORS = {
    # Without the right to switch accounting off, which a null pointer would.
    "acct": lambda: call("acct", NOWHERE),
    "add_key": lambda: call("add_key", b"no such type", b"name", b"x", 1, -3),
    # Mode 0 reads.
    "adjtimex": lambda: call("adjtimex", _zeros()),
    "bpf": lambda: call("bpf", 9999, _zeros(), 128),
    "chroot": lambda: call("chroot", b"/"),
    "clock_adjtime": lambda: call("clock_adjtime", 0, _zeros()),
    "clock_settime": lambda: call("clock_settime", 0, None),
    # A structure of size 0.
    "clone3": lambda: call("clone3", _zeros(), 0),
    "delete_module": lambda: call("delete_module", b"no such module", os.O_NONBLOCK),
    # FAN_REPORT_FID: what users without rights may ask for.
    "fanotify_init": lambda: call("fanotify_init", 0x200, 0),
    "fanotify_mark": lambda: call("fanotify_mark", -1, FLAGS, 0, -1, None),
    "finit_module": lambda: call("finit_module", -1, b"", FLAGS),
    "fsconfig": lambda: call("fsconfig", -1, 0, None, None, 0),
    "fsmount": lambda: call("fsmount", -1, 0, 0),
    "fsopen": lambda: call("fsopen", b"tmpfs", 0),
    "fspick": lambda: call("fspick", -1, NOWHERE, 0),
    "init_module": lambda: call("init_module", None, 0, b""),
    "io_uring_enter": lambda: call("io_uring_enter", -1, 0, 0, 0, None, 0),
    "io_uring_register": lambda: call("io_uring_register", -1, 9999, None, 0),
    "io_uring_setup": lambda: call("io_uring_setup", 0, _zeros()),
    "ioperm": lambda: call("ioperm", 0, 0, 1),
    "iopl": lambda: call("iopl", 9),
    "kcmp": lambda: call("kcmp", os.getpid(), os.getpid(), 0, 0, 1),
    "kexec_file_load": lambda: call("kexec_file_load", -1, -1, 0, None, FLAGS),
    "kexec_load": lambda: call("kexec_load", 0, 0, None, 0xFF00),
    "keyctl": lambda: call("keyctl", 0, -3, 0),
    "memfd_secret": lambda: call("memfd_secret", FLAGS),
    "modify_ldt": lambda: call("modify_ldt", 0, _zeros(), 0),
    "mount_setattr": lambda: call("mount_setattr", -1, b"", FLAGS, _zeros(), 32),
    "move_mount": lambda: call("move_mount", -1, b"", -1, b"", FLAGS),
    "name_to_handle_at": lambda: call("name_to_handle_at", -100, b"/", _zeros(), _zeros(), 0),
    "open_by_handle_at": lambda: call("open_by_handle_at", -1, _zeros(), 0),
    "open_tree": lambda: call("open_tree", -100, b"/", 0),
    "perf_event_open": lambda: call("perf_event_open", _zeros(), 0, -1, -1, 1 << 60),
    # ADDR_NO_RANDOMIZE
    "personality": lambda: call("personality", 0x0040000),
    "pivot_root": lambda: call("pivot_root", NOWHERE, NOWHERE),
    "process_madvise": lambda: call("process_madvise", -1, None, 0, 0, 0),
    "process_vm_writev": lambda: call("process_vm_writev", os.getpid(), None, 0, None, 0, 0),
    "ptrace": lambda: call("ptrace", 0, 0, 0, 0),
    "quotactl": lambda: call("quotactl", 0xFF, None, 0, None),
    # Both magic numbers are wrong.
    "reboot": lambda: call("reboot", 0, 0, 0, None),
    "request_key": lambda: call("request_key", b"no such type", b"name", None, 0),
    "setdomainname": lambda: call("setdomainname", b"elsewhere", 9),
    "sethostname": lambda: call("sethostname", b"elsewhere", 9),
    "setns": lambda: call("setns", -1, 0),
    # Neither a time nor a time zone.
    "settimeofday": lambda: call("settimeofday", None, None),
    "swapoff": lambda: call("swapoff", NOWHERE),
    "swapon": lambda: call("swapon", NOWHERE, FLAGS),
    # Asks how large the log is.
    "syslog": lambda: call("syslog", 10, None, 0),
    "umount2": lambda: call("umount2", b"/tmp", FLAGS),
    "userfaultfd": lambda: call("userfaultfd", FLAGS),
}


def knock(name):
    try:
        return f"it answers {DOORS[name]()}"
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        return f"it answers {errno.errorcode[error.errno]}"


@attempt(errno.EPERM, errno.ENOSYS)
def door(name):
    return knock(name)


@attempt(errno.EPERM)
def door_after_executing_oneself(name):
    """What a filter would forget, a new program might have back."""
    os.execv(sys.executable, [sys.executable, "-BSE", __file__, "door", name])


@attempt(errno.EPERM)
def door_from_a_file_in_memory(name):
    """A program that no path leads to."""
    program = os.memfd_create("program")
    with open(sys.executable, "rb") as file:
        while chunk := file.read(1 << 20):
            os.write(program, chunk)
    os.execve(program, [sys.executable, "-BSE", __file__, "door", name], {})


@attempt(errno.EPERM)
def door_from_a_thread(name):
    import threading

    ended = []

    def work():
        try:
            ended.append(knock(name))
        except OSError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(ended[0], OSError):
        raise ended[0]
    return ended[0]


@attempt(errno.EPERM)
def door_after_a_filter_that_allows_all(name):
    """Of several filters the strictest answer counts, not the last."""

    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction))]

    # BPF_RET | BPF_K, SECCOMP_RET_ALLOW
    allow = Program(1, ctypes.pointer(Instruction(0x06, 0, 0, 0x7FFF0000)))
    call("seccomp", 1, 0, ctypes.byref(allow))
    return knock(name)


@attempt(errno.EPERM)
def door_after_asking_for_no_filter(name):
    """prctl(2) knows how to set a mode: perhaps also none."""
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
    libc.prctl(PR_SET_SECCOMP, 0, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)
    return knock(name)


@attempt(errno.EPERM, errno.ENOSYS)
def call_with_high_bits():
    """A filter that compares 64 bits, and a kernel that looks at 32."""
    from attempt import number

    try:
        return call(number("bpf") | 1 << 32, 9999, _zeros(), 128)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        return errno.errorcode[error.errno]


@attempt(errno.ENOSYS)
def call_of_x32():
    """The same calls by other numbers, with other structures (CONFIG_X86_X32_ABI)."""
    return call(0x40000000 | 39)


@attempt(errno.ENOSYS)
def call_of_32_bits():
    """A call by `int 0x80` has the numbers of another architecture."""
    import mmap
    import platform

    if platform.machine() != "x86_64":
        raise Stopped("ENOSYS")
    # mov eax, 20 (getpid); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    child = os.fork()
    if child == 0:
        os._exit(0 if function() > 0 else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        # Without CONFIG_IA32_EMULATION it is an ordinary fault.
        died_of = signal.Signals(os.WTERMSIG(status)).name
        raise Stopped("ENOSYS" if died_of == "SIGSEGV" else died_of)
    if os.WEXITSTATUS(status) != 0:
        raise Stopped("an error")
    return "its own number"


if __name__ == "__main__":
    main()
