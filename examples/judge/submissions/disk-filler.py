"""Fills every place that it may write to, with bytes and then with files."""

import os
import sys

FAR_TOO_MUCH = 512
FAR_TOO_MANY = 1_000_000
mebibyte = os.urandom(1 << 20)
escaped = False

for folder in ("/tmp", os.environ.get("HOME", "/home/sandbox"), "/dev/shm", "/var/tmp"):
    written = 0
    try:
        with open(f"{folder}/filler", "wb", buffering=0) as filler:
            while written < FAR_TOO_MUCH:
                filler.write(mebibyte)
                written += 1
        print(f"ESCAPED: {written} MiB in {folder}")
        escaped = True
    except OSError as error:
        print(f"{folder}: {written} MiB, then: {error.strerror}")

    files = 0
    try:
        while files < FAR_TOO_MANY:
            os.close(os.open(f"{folder}/{files}", os.O_CREAT | os.O_WRONLY))
            files += 1
        print(f"ESCAPED: {files} files in {folder}")
        escaped = True
    except OSError as error:
        print(f"{folder}: {files} files, then: {error.strerror}")

if escaped:
    sys.exit(66)
print("contained: every place has an end")
