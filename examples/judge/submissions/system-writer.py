"""Tries to change the system, and the submissions themselves."""

import os
import sys

FOLDERS = ["/", "/usr", "/usr/bin", "/bin", "/lib", "/etc", "/dev", "/proc", "/proc/sys/kernel", "/sys", "/root", "/submissions"]
FILES = ["/usr/bin/env", "/etc/passwd", "/etc/hosts", "/etc/ld.so.cache", __file__, "/proc/sys/kernel/core_pattern"]

attempts = 0
changed = []


def attempt(what, function):
    global attempts
    attempts += 1
    try:
        function()
        changed.append(what)
    except OSError:
        pass


def create(folder):
    os.close(os.open(f"{folder}/mark", os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def overwrite(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


for folder in FOLDERS:
    attempt(f"create a file in {folder}", lambda: create(folder))
    attempt(f"make a link in {folder}", lambda: os.symlink("/tmp", f"{folder}/link"))
    attempt(f"open {folder} to everybody", lambda: os.chmod(folder, 0o777))
for path in FILES:
    attempt(f"overwrite {path}", lambda: overwrite(path))
    attempt(f"remove {path}", lambda: os.unlink(path))
    attempt(f"replace {path}", lambda: os.rename(path, f"{path}.old"))
    attempt(f"truncate {path}", lambda: os.truncate(path, 0))

for what in changed:
    print(f"ESCAPED: {what}")
if changed:
    sys.exit(66)
print(f"contained: {attempts} attempts, nothing changed")
