"""Attempts to see what is in the host's namespaces, and to make or join others."""

import ctypes
import errno
import os
import signal

from attempt import Stopped, attempt, call, main

FLAGS = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "time": 0x00000080,
}
KINDS = {"cgroup": "cgroup", "ipc": "ipc", "mount": "mnt", "net": "net", "pid": "pid", "user": "user", "uts": "uts"}


@attempt()
def unshare(kind):
    call("unshare", FLAGS[kind])
    return "a new namespace"


@attempt()
def unshare_all():
    """As people do who have no rights: with a user namespace first."""
    everything = 0
    for flag in FLAGS.values():
        everything |= flag
    call("unshare", everything)
    return "new namespaces"


@attempt()
def clone(kind):
    child = call("clone", FLAGS[kind] | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "a process in a new namespace"


@attempt()
def join_own(kind):
    """Its own, which at least exists: who may open it still may not join it without a right in it."""
    handle = os.open(f"/proc/self/ns/{KINDS[kind]}", os.O_RDONLY)
    call("setns", handle, 0)
    return "joined"


@attempt()
def join_by_process(pid):
    """All namespaces of a process at once."""
    call("setns", os.pidfd_open(int(pid)), FLAGS["uts"] | FLAGS["net"] | FLAGS["ipc"])
    return "joined"


@attempt()
def see_host_name(name):
    if os.uname().nodename != name:
        raise Stopped("another name")
    return name


@attempt()
def change_host_name():
    """To what it is."""
    name = os.uname().nodename.encode()
    call("sethostname", name, len(name))
    return name


@attempt(errno.EINVAL)
def see_queue(queue):
    """Ask about a message queue of System V."""
    libc = ctypes.CDLL(None, use_errno=True)
    IPC_STAT = 2
    if libc.msgctl(int(queue), IPC_STAT, ctypes.create_string_buffer(256)) == -1:
        raise OSError(ctypes.get_errno(), "msgctl")
    return "it is there"


@attempt()
def see_cgroup(name):
    """Learn the path of one's cgroup on the host."""
    with open("/proc/self/cgroup") as file:
        paths = file.read()
    if name not in paths:
        raise Stopped("another path")
    return name


@attempt(errno.ENOENT, errno.EACCES, errno.EPERM)
def write_cgroup():
    """Open the limits of some cgroup."""
    for folder, _, names in os.walk("/sys/fs/cgroup"):
        if "cgroup.procs" in names:
            os.close(os.open(f"{folder}/cgroup.procs", os.O_WRONLY))
            return folder
    raise Stopped("there is none")


@attempt(errno.EPERM, errno.EACCES)
def mount_cgroups():
    folder = "/tmp/cgroups"
    os.mkdir(folder)
    try:
        # Version 2 can be mounted by whoever has rights in the namespaces.
        call("mount", b"cgroups", folder.encode(), b"cgroup2", 0, None)
    finally:
        if not os.listdir(folder):
            os.rmdir(folder)
    return os.listdir(folder)


if __name__ == "__main__":
    main()
