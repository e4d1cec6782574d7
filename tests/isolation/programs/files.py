"""Attempts to read, write, mount and name files that are not the sandbox's."""

import ctypes
import errno
import os
import shutil

from attempt import Stopped, attempt, call, main

MS_REMOUNT, MS_BIND = 32, 4096
MNT_DETACH = 2
NOT_THERE = (errno.ENOENT, errno.EACCES, errno.EPERM)


@attempt(*NOT_THERE)
def read(path):
    with open(path, "rb", buffering=0) as file:
        got = file.read(8)
    if not got:
        raise Stopped("it is empty")
    return got


@attempt(*NOT_THERE)
def list_folder(path):
    names = os.listdir(path)
    if not names:
        raise Stopped("it is empty")
    return names


@attempt(errno.ENOENT)
def see_masked(path):
    """Whether it is there, and not /dev/null in its place. What it would do when it is opened does not matter."""
    status = os.stat(path)
    if status.st_rdev == os.stat("/dev/null").st_rdev:
        raise Stopped("it is /dev/null")
    return "it is there"


@attempt(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)
def open_for_writing(path):
    """Without writing."""
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return "open"


@attempt(errno.EACCES, errno.EPERM, errno.EROFS)
def create_in(folder):
    path = f"{folder}/mark"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(path)
    return "made"


@attempt(errno.ENOENT, errno.EACCES)
def climb(path):
    """Go up further than there is, and down to a file of the host."""
    with open("/.." * 20 + path) as file:
        return file.read(8)


@attempt(errno.ENOENT, errno.EACCES)
def link_to(path):
    """What a link says is resolved where it is read."""
    link = f"/tmp/link-{os.getpid()}"
    os.symlink(path, link)
    try:
        with open(link) as file:
            return file.read(8)
    finally:
        os.unlink(link)


@attempt()
def leave_root(path):
    """The oldest way out of a chroot: another one below the working directory, and up from there."""
    outside = os.open("/", os.O_RDONLY)
    folder = f"/tmp/root-{os.getpid()}"
    os.mkdir(folder)
    try:
        os.chroot(folder)
    except OSError:
        os.rmdir(folder)
        raise
    os.fchdir(outside)
    return os.listdir("../" * 20)


@attempt()
def open_by_handle(path, mount):
    """By number, past all folders: what opened the first containers."""
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint.from_buffer(handle).value = 128
    call("name_to_handle_at", -100, path.encode(), handle, ctypes.byref(ctypes.c_int()), 0)
    folder = os.open(mount, os.O_RDONLY)
    with os.fdopen(call("open_by_handle_at", folder, handle, os.O_RDONLY), "rb") as file:
        return file.read(8)


@attempt()
def mount():
    folder = f"/tmp/mount-{os.getpid()}"
    os.mkdir(folder)
    try:
        call("mount", b"none", folder.encode(), b"tmpfs", 0, None)
        call("umount2", folder.encode(), 0)
    finally:
        os.rmdir(folder)
    return "mounted"


@attempt()
def mount_by_descriptors():
    """The calls of Linux 5.2."""
    context = call("fsopen", b"tmpfs", 0)
    FSCONFIG_CMD_CREATE = 6
    call("fsconfig", context, FSCONFIG_CMD_CREATE, None, None, 0)
    return call("fsmount", context, 0, 0)


@attempt()
def clone_mount():
    OPEN_TREE_CLONE = 1
    return call("open_tree", -100, b"/usr", OPEN_TREE_CLONE)


@attempt()
def remount_writable(path):
    call("mount", b"none", path.encode(), None, MS_REMOUNT | MS_BIND, None)
    return "writable"


@attempt()
def uncover(path):
    """Take away a mount that covers something."""
    call("umount2", path.encode(), MNT_DETACH)
    return "uncovered"


@attempt()
def pivot():
    """Make the root another one: of a mount, as pivot_root(2) wants it."""
    folder = f"/tmp/root-{os.getpid()}"
    os.mkdir(folder)
    try:
        call("mount", b"none", folder.encode(), b"tmpfs", 0, None)
        os.chdir(folder)
        call("pivot_root", b".", b".")
    except OSError:
        os.rmdir(folder)
        raise
    return "another root"


@attempt()
def device(kind, major, minor):
    """Make a device, and open it."""
    import stat

    # Where machines mount no file system without devices; in a sandbox it is /tmp.
    path = f"/var/tmp/device-{os.getpid()}"
    mode = {"block": stat.S_IFBLK, "character": stat.S_IFCHR}[kind] | 0o600
    os.mknod(path, mode, os.makedev(int(major), int(minor)))
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    finally:
        os.unlink(path)
    return "open"


@attempt(errno.EACCES, errno.ENOENT, errno.EPERM)
def open_device(path):
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return "open"


@attempt(errno.EACCES, errno.EPERM, errno.EROFS)
def truncate(path):
    """While it is opened: a right of its own."""
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
    return "cut"


@attempt(errno.EACCES, errno.EPERM)
def truncate_by_path(path):
    os.truncate(path, 0)
    return "cut"


@attempt(errno.EACCES, errno.EPERM, errno.EXDEV)
def link(path, other):
    """To where more may be done with it: a right of its own as well. Without rights to write the file it takes no link."""
    os.link(path, other)
    os.unlink(other)
    return "linked"


@attempt(errno.EACCES, errno.EPERM, errno.EXDEV)
def move(source, target):
    """From one folder to another: a right of its own."""
    shutil.copyfile("/etc/passwd", source)
    os.rename(source, target)
    os.unlink(target)
    return "moved"


@attempt(errno.EACCES, errno.EPERM)
def control_device(path):
    """Ask a device something, by ioctl(2): a right of its own."""
    import fcntl

    RNDGETENTCNT = 0x80045200
    with open(path, "rb", buffering=0) as file:
        return fcntl.ioctl(file, RNDGETENTCNT, bytes(4))


@attempt(errno.EACCES, errno.ENOENT)
def open_beneath_what_was_passed(socket_path, name):
    """A folder of the host comes as a descriptor, past all mounts: who sends it does not mean a file in it."""
    import socket

    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(socket_path)
        _, descriptors, _, _ = socket.recv_fds(stream, 1, 1)
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=descriptors[0])) as file:
        return file.read(8)


if __name__ == "__main__":
    main()
