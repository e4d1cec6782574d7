"""Attempts at another sandbox. Each is of one sandbox alone, and works in that one itself."""

import errno
import os
import signal
import socket
import sys

from attempt import Stopped, attempt, main


@attempt()
def find(word):
    """Find a process by a word of its command line."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                line = file.read()
        except OSError:
            continue
        if word in line.split("\0") and int(pid) != os.getpid():
            return pid
    raise Stopped("there is none")


@attempt()
def end_all():
    """End every process that there can be, by its number."""
    ended = []
    for pid in range(2, 4096):
        if pid in (os.getpid(), os.getppid()):
            continue
        try:
            os.kill(pid, signal.SIGKILL)
            ended.append(pid)
        except OSError:
            pass
    if not ended:
        raise Stopped("there is none")
    return ended


@attempt(errno.ENOENT, errno.EACCES)
def read(path):
    with open(path) as file:
        return file.read().strip()


def serve(kind, address):
    """Not an attempt: what is attacked. Accepts connections until it is ended."""
    listener = socket.socket({"inet": socket.AF_INET, "unix": socket.AF_UNIX}[kind])
    listener.bind(("127.0.0.1", int(address)) if kind == "inet" else f"\0{address}")
    listener.listen()
    print("listening", flush=True)
    while True:
        listener.accept()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        main()
