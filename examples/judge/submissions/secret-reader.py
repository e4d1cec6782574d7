"""Looks for what the machine's people keep to themselves."""

import glob
import os
import sys

OWN_HOME = "/home/sandbox"
TARGETS = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/ssh/ssh_host_*",
    "/etc/ssl/private/*",
    "/etc/mimobox*",
    "/root/*",
    "/root/.[a-z]*",
    "/home/*",
    "/home/*/.[a-z]*",
    "/run/*",
    "/var/*",
    "/srv/*",
    "/mnt/*",
    "/boot/*",
    "/proc/1/environ",
    "/proc/1/root/*",
    "/proc/1/cwd/*",
    "/proc/[0-9]*/root/etc/shadow",
    "/proc/kcore",
    "/proc/kallsyms",
    "/sys/kernel/*",
    "/submissions/../root/*",
]


def reads(path):
    """Whether it gave anything away."""
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        with open(path, "rb") as file:
            if path == "/proc/kallsyms":
                # The kernel shows addresses as zeros to whoever may not see them.
                return any(line.split()[0].strip(b"0") for line in file)
            return bool(file.read(4096))
    except OSError:
        return False


attempts = 0
taken = []
for target in TARGETS:
    for path in glob.glob(target) or [target]:
        attempts += 1
        if not path.startswith(OWN_HOME) and reads(path):
            taken.append(path)

for path in taken:
    print(f"ESCAPED: read {path}")
if taken:
    sys.exit(66)
print(f"contained: {attempts} places, nothing to read")
