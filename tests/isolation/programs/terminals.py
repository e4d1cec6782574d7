"""Attempts at a terminal: to type into it for whoever reads it, and to have one at all."""

import errno
import fcntl
import os

from attempt import Stopped, attempt, call, main

TIOCSTI, TIOCLINUX, TIOCSCTTY = 0x5412, 0x541C, 0x540E


def _on_a_terminal(request):
    """Makes a request of a terminal in a process whose controlling terminal it is, as its rules want it."""
    _, terminal = os.openpty()
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(terminal, TIOCSCTTY, 0)
        try:
            call("ioctl", terminal, request, b"x")
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (errno.EPERM, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    return f"the terminal answers {errno.errorcode.get(code, 'yes')}"


@attempt()
def type_ahead():
    return _on_a_terminal(TIOCSTI)


@attempt()
def type_ahead_by_high_bits():
    """A filter that compares 64 bits, and a kernel that looks at 32."""
    return _on_a_terminal(TIOCSTI | 1 << 32)


@attempt()
def paste():
    """The console's selection can be pasted without being typed."""
    return _on_a_terminal(TIOCLINUX)


@attempt(errno.ENXIO)
def open_controlling_terminal():
    os.close(os.open("/dev/tty", os.O_RDWR))
    return "open"


@attempt()
def have_a_terminal():
    """Among the open files."""
    terminals = [fd for fd in range(64) if os.isatty(fd)]
    if not terminals:
        raise Stopped("no open file is a terminal")
    return terminals


@attempt()
def see_terminals():
    """Of others, in /dev/pts."""
    names = [name for name in os.listdir("/dev/pts") if name.isdigit()]
    if not names:
        raise Stopped("there is none")
    return names


if __name__ == "__main__":
    main()
