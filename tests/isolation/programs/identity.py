"""Attempts to become somebody else, or to gain rights."""

import errno
import os
import struct
import subprocess

from attempt import Stopped, attempt, call, main


@attempt()
def become_root():
    os.setuid(0)
    return os.getuid()


@attempt()
def become_group_root():
    os.setgid(0)
    return os.getgid()


@attempt()
def become_another():
    os.setresuid(4321, 4321, 4321)
    return os.getuid()


@attempt()
def join_groups():
    os.setgroups([0])
    return os.getgroups()


@attempt()
def take_capabilities():
    """All of them, by capset(2)."""
    header = struct.pack("Ii", 0x20080522, 0)
    everything = 0x1FF_FFFF_FFFF
    with open("/proc/sys/kernel/cap_last_cap") as file:
        everything = (1 << int(file.read()) + 1) - 1
    low, high = everything & 0xFFFFFFFF, everything >> 32
    call("capset", header, struct.pack("6I", low, low, 0, high, high, 0))
    return hex(everything)


@attempt()
def give_a_file_capabilities():
    path = f"/tmp/file-{os.getpid()}"
    open(path, "w").close()
    try:
        # VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, CAP_SYS_ADMIN
        os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0))
    finally:
        os.unlink(path)
    return "given"


@attempt()
def give_a_file_away():
    path = f"/tmp/file-{os.getpid()}"
    open(path, "w").close()
    try:
        os.chown(path, 0, 0)
    finally:
        os.unlink(path)
    return "given to root"


@attempt()
def run_as_root(program):
    """Run a copy of id(1) that belongs to root and has the set-user-ID bit."""
    user = subprocess.run([program, "-u"], capture_output=True, check=True, text=True).stdout.strip()
    if user != "0":
        raise Stopped(f"it runs as {user}")
    return user


@attempt()
def run_with_capabilities(program):
    """Run a copy of cat(1) whose file has capabilities."""
    try:
        lines = subprocess.run([program, "/proc/self/status"], capture_output=True, check=True, text=True).stdout
    except PermissionError as error:
        raise Stopped(errno.errorcode[error.errno])
    effective = next(line.split()[1] for line in lines.splitlines() if line.startswith("CapEff"))
    if int(effective, 16) == 0:
        raise Stopped("it has none")
    return effective


def _openat2(path):
    how = struct.pack("QQQ", os.O_CREAT | os.O_RDWR, 0o4755, 0)
    call("openat2", -100, path, how, len(how))


def _temporary(path):
    """A file without a name gets its rights, then a name."""
    file = call("openat", -100, os.path.dirname(path), os.O_TMPFILE | os.O_RDWR, 0o4755)
    AT_SYMLINK_FOLLOW = 0x400
    call("linkat", -100, f"/proc/self/fd/{file}".encode(), -100, path, AT_SYMLINK_FOLLOW)


def _after(change):
    """Makes an ordinary file first."""

    def make(path):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o755))
        change(path)

    return make


REGULAR = 0o100000
WAYS = {
    "chmod": _after(lambda path: call("chmod", path, 0o4755)),
    "creat": lambda path: call("creat", path, 0o4755),
    "fchmod": _after(lambda path: call("fchmod", os.open(path, os.O_RDWR), 0o4755)),
    "fchmodat": _after(lambda path: call("fchmodat", -100, path, 0o4755)),
    "fchmodat2": _after(lambda path: call("fchmodat2", -100, path, 0o4755, 0)),
    "high_bits": _after(lambda path: call("fchmodat", -100, path, 0o4755 | 1 << 32)),
    "mknod": lambda path: call("mknod", path, REGULAR | 0o4755, 0),
    "mknodat": lambda path: call("mknodat", -100, path, REGULAR | 0o4755, 0),
    "open": lambda path: call("open", path, os.O_CREAT | os.O_RDWR, 0o4755),
    "openat": lambda path: call("openat", -100, path, os.O_CREAT | os.O_RDWR, 0o4755),
    "openat2": _openat2,
    "temporary": _temporary,
}


@attempt(errno.EPERM, errno.ENOSYS)
def leave_a_trap(folder, way):
    """Leave a program that makes whoever runs it its owner, in a folder that others have too."""
    path = f"{folder}/{way}".encode()
    WAYS[way](path)
    mode = os.stat(path).st_mode
    if not mode & 0o4000:
        raise Stopped(f"its mode is {mode:o}")
    return oct(mode)


if __name__ == "__main__":
    main()
