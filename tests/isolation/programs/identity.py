"""Attempts to become somebody else, or to gain rights."""

import ctypes
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


@attempt()
def leave_a_trap(folder):
    """Leave a program that makes whoever runs it root, in a folder that others have too."""
    path = f"{folder}/trap"
    with open(path, "w") as file:
        file.write("#!/bin/true\n")
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    return "left"


@attempt()
def leave_a_file(folder):
    path = f"{folder}/mine"
    with open(path, "w") as file:
        file.write("mine")
    os.chmod(path, 0o600)
    return path


if __name__ == "__main__":
    main()
