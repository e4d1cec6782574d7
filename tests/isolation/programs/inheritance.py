"""Attempts to find what the host's process had, and a careless start would pass on."""

import os

from attempt import Stopped, attempt, main


@attempt()
def variable(name):
    for process in ("self", os.getppid()):
        try:
            with open(f"/proc/{process}/environ") as file:
                if f"{name}=" in file.read():
                    return f"{name} of {process}"
        except PermissionError:
            pass
    raise Stopped("it is not set")


@attempt()
def open_file(path):
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == path:
                return descriptor
        except OSError:
            pass
    raise Stopped("it is not open")


@attempt()
def folder(path):
    if os.path.realpath("/proc/self/cwd") != path:
        raise Stopped("another folder")
    return path


if __name__ == "__main__":
    main()
