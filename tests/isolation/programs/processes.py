"""Attempts at processes of the host, and at the sandbox's agent."""

import ctypes
import errno
import os
import signal

from attempt import Stopped, attempt, call, main

PTRACE_ATTACH, PTRACE_DETACH = 16, 17


@attempt(errno.ENOENT)
def see(pid):
    """Find a process among those of /proc."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        line = file.read()
    if b"3600" not in line:
        raise Stopped("another process has that number")
    return line


@attempt(errno.ESRCH, errno.EPERM)
def end(pid):
    """End a process."""
    os.kill(int(pid), signal.SIGTERM)
    return "sent"


@attempt()
def reach(pid):
    """Have the kernel check whether one may signal it: a pid 1 ignores what is sent from within its namespace."""
    os.kill(int(pid), 0)
    return "may signal it"


@attempt(errno.EPERM, errno.ESRCH)
def trace(pid):
    """Attach as a debugger, and let go."""
    call("ptrace", PTRACE_ATTACH, int(pid), 0, 0)
    # It can only be let go of once it has stopped.
    os.waitpid(int(pid), getattr(os, "__WALL", 0x40000000))
    call("ptrace", PTRACE_DETACH, int(pid), 0, 0)
    return "attached"


def _address(pid):
    """Where something is mapped in it that can be read."""
    with open(f"/proc/{pid}/maps") as file:
        return next(int(line.split("-")[0], 16) for line in file if " r" in line)


@attempt(errno.EPERM, errno.ESRCH)
def read_memory(pid):
    """Read its memory by a system call."""
    try:
        address = _address(pid)
    except OSError:
        # Any will do: what counts is which error comes.
        address = 0x400000
    buffer = ctypes.create_string_buffer(8)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    there = (ctypes.c_void_p * 2)(address, 8)
    call("process_vm_readv", int(pid), here, 1, there, 1, 0)
    return buffer.raw


@attempt(errno.EPERM, errno.EACCES, errno.ENOENT)
def open_file_of(pid, name):
    """Open one of its files in /proc, for reading."""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        if name == "mem":
            file.seek(_address(pid))
        return file.read(8)


@attempt(errno.EPERM, errno.EACCES, errno.ENOENT)
def follow_link_of(pid, name):
    """See where one of its links in /proc leads."""
    return os.readlink(f"/proc/{pid}/{name}")


@attempt()
def take_descriptor(pid, which):
    """Take one of its open files."""
    handle = os.pidfd_open(int(pid))
    return call("pidfd_getfd", handle, int(which), 0)


@attempt()
def limit(pid):
    """Set one of its limits: to what it is."""
    import resource

    now = resource.prlimit(int(pid), resource.RLIMIT_NOFILE)
    return resource.prlimit(int(pid), resource.RLIMIT_NOFILE, now)


@attempt()
def slow_down(pid):
    """Take processor time from it."""
    os.setpriority(os.PRIO_PROCESS, int(pid), 1)
    return "niced"


@attempt()
def go_first():
    """Have oneself run before everything else on the machine."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return "real-time"


@attempt(errno.EACCES, errno.EPERM)
def overwrite_program(pid):
    """Keep its program open until it has ended, and write to it then: the next one to run it would be another.

    While it runs nobody can write to it; what counts is whether it is sealed.
    """
    import fcntl

    F_GET_SEALS, F_SEAL_WRITE = 1034, 8
    with open(f"/proc/{pid}/exe", "rb", buffering=0) as file:
        try:
            seals = fcntl.fcntl(file, F_GET_SEALS)
        except OSError as error:
            # An ordinary file has none.
            if error.errno != errno.EINVAL:
                raise
            seals = 0
    if seals & F_SEAL_WRITE:
        raise Stopped("it is sealed")
    return "it can be written"


if __name__ == "__main__":
    main()
