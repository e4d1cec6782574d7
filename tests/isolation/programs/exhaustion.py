"""Attempts to take so much of something. Each holds all that it takes until it ends."""

import errno
import os
import resource
import signal
import socket
import sys
import time

from attempt import Stopped, attempt, call, main

MIB = 1 << 20
BLOCK = b"x" * 65536


def _in_a_child(work):
    """Runs it in a process that the kernel may kill for want of memory."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise Stopped(signal.Signals(os.WTERMSIG(status)).name)
    code = os.WEXITSTATUS(status)
    if code:
        raise OSError(code, os.strerror(code))


def _more_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@attempt(errno.EAGAIN)
def processes(count):
    children = []
    try:
        for _ in range(int(count)):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return len(children)


@attempt(errno.EAGAIN)
def threads(count):
    import threading

    end = threading.Event()
    threading.stack_size(32768)
    running = []
    try:
        for _ in range(int(count)):
            thread = threading.Thread(target=end.wait)
            thread.start()
            running.append(thread)
    except RuntimeError:
        raise OSError(errno.EAGAIN, "no thread")
    finally:
        end.set()
    return len(running)


@attempt(errno.ENOMEM)
def memory(mebibytes):
    def take():
        held = bytearray(int(mebibytes) * MIB)
        held[:: 4096] = b"x" * len(held[:: 4096])

    _in_a_child(take)
    return mebibytes


@attempt(errno.ENOMEM, errno.ENOSPC)
def memory_file(mebibytes):
    """A file that is nowhere: memfd_create(2)."""

    def take():
        file = os.memfd_create("hoard")
        for _ in range(int(mebibytes) * 16):
            os.write(file, BLOCK)

    _in_a_child(take)
    return mebibytes


@attempt(errno.ENOMEM, errno.ENOSPC)
def shared_memory(mebibytes):
    """A segment of System V: it outlives who made it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    IPC_RMID = 0
    size = int(mebibytes) * MIB
    segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if segment == -1:
        raise OSError(ctypes.get_errno(), "shmget")

    def take():
        address = libc.shmat(segment, None, 0)
        for place in range(0, size, 4096):
            ctypes.memset(address + place, 1, 1)

    try:
        _in_a_child(take)
    finally:
        libc.shmctl(segment, IPC_RMID, None)
    return mebibytes


@attempt(errno.ENOSPC, errno.ENOMEM)
def file(folder, mebibytes):
    path = f"{folder}/hoard"
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(int(mebibytes) * 16):
                if file.write(BLOCK) < len(BLOCK):
                    file.write(BLOCK)
    finally:
        os.unlink(path)
    return mebibytes


@attempt(errno.ENOSPC, errno.ENOMEM)
def files(folder, count):
    made = 0
    try:
        for made in range(int(count)):
            os.close(os.open(f"{folder}/{made}", os.O_CREAT | os.O_EXCL))
    finally:
        for name in range(made):
            os.unlink(f"{folder}/{name}")
    return count


@attempt(errno.EMFILE)
def descriptors(count):
    _more_files()
    for _ in range(int(count)):
        os.open("/dev/null", os.O_RDONLY)
    return count


@attempt(errno.EMFILE, errno.ENFILE, errno.ENOMEM)
def pipes(mebibytes):
    """Fills as many pipes as it takes to hold so much."""

    def take():
        import fcntl

        _more_files()
        F_SETPIPE_SZ = 1031
        held = 0
        while held < int(mebibytes) * MIB:
            _, end = os.pipe2(os.O_NONBLOCK)
            try:
                fcntl.fcntl(end, F_SETPIPE_SZ, MIB)
            except OSError:
                # Past what a user may have in pipes (pipe(7)) they stay small.
                pass
            before = held
            try:
                while True:
                    held += os.write(end, BLOCK)
            except BlockingIOError:
                if held == before:
                    raise OSError(errno.EMFILE, "pipes hold nothing more")

    _in_a_child(take)
    return mebibytes


def _fill(pair, mebibytes):
    """Fills as many sockets as it takes to hold so much; `pair` makes two that are connected."""
    held, sockets = 0, []
    while held < mebibytes * MIB:
        one, other = pair()
        sockets += [one, other]
        for end in (one, other):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * MIB)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * MIB)
        one.setblocking(False)
        before = held
        # What is on its way may make room a moment later.
        for _ in range(3):
            try:
                while True:
                    held += one.send(BLOCK[:60000])
            except (BlockingIOError, ConnectionRefusedError):
                time.sleep(0.001)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
        if held == before:
            raise OSError(errno.ENOBUFS, "sockets hold nothing more")
    return held


def _tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


def _udp():
    one, other = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))
    one.connect(other.getsockname())
    return one, other


@attempt(errno.EMFILE, errno.ENOMEM, errno.ENOBUFS)
def unix_sockets(mebibytes):
    def take():
        _more_files()
        _fill(socket.socketpair, int(mebibytes))

    _in_a_child(take)
    return mebibytes


@attempt(errno.EMFILE, errno.ENOMEM, errno.ENOBUFS)
def tcp_sockets(mebibytes):
    def take():
        _more_files()
        _fill(_tcp, int(mebibytes))

    _in_a_child(take)
    return mebibytes


@attempt(errno.EMFILE, errno.ENOMEM, errno.ENOBUFS)
def udp_sockets(mebibytes):
    """What nobody reads waits at the receiver; what is too much for it is lost."""
    SO_MEMINFO = 55

    def take():
        _more_files()
        held, sockets = 0, []
        while held < int(mebibytes) * MIB:
            one, other = _udp()
            sockets.append(other)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * MIB)
            for _ in range(16):
                one.send(BLOCK[:60000])
            # The first of its numbers is what waits (sock_diag(7)).
            waits = int.from_bytes(other.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)[:4], sys.byteorder)
            if waits == 0:
                raise OSError(errno.ENOBUFS, "sockets hold nothing more")
            held += waits

    _in_a_child(take)
    return mebibytes


@attempt(errno.EMFILE, errno.ENOSPC, errno.ENOMEM)
def terminals(count):
    _more_files()
    for _ in range(int(count)):
        os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    return count


@attempt(errno.EMFILE, errno.ENOSPC, errno.ENOMEM)
def watches(count):
    """Instances of inotify(7)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    _more_files()
    for _ in range(int(count)):
        if libc.inotify_init1(0) == -1:
            raise OSError(ctypes.get_errno(), "inotify_init1")
    return count


SIZE = 2 * MIB
IPC_PRIVATE, SHM_HUGETLB, MAP_HUGETLB, MFD_HUGETLB = 0, 0o4000, 0x40000, 4
HUGE = {
    # Readable and writable, private and anonymous.
    "mmap": lambda: call("mmap", 0, SIZE, 3, 0x22 | MAP_HUGETLB, -1, 0),
    "memfd_create": lambda: call("memfd_create", b"huge", MFD_HUGETLB),
    # A segment of no size is never made.
    "shmget": lambda: call("shmget", IPC_PRIVATE, 0, SHM_HUGETLB | 0o600),
}


@attempt()
def huge_pages(way):
    """From the machine's pool, where it has one; where not, it is the kernel itself that says so."""
    try:
        HUGE[way]()
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        return f"it answers {errno.errorcode[error.errno]}"
    return "taken"


@attempt(errno.ENOMEM, errno.EAGAIN, errno.EPERM)
def locked_memory(mebibytes):
    import ctypes
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    area = mmap.mmap(-1, int(mebibytes) * MIB)
    if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(area))), ctypes.c_size_t(len(area))):
        raise OSError(ctypes.get_errno(), "mlock")
    return mebibytes


if __name__ == "__main__":
    main()
