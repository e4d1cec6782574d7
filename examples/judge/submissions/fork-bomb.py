"""Every process makes as many more as it can, for two seconds."""

import os
import sys
import time

FAR_TOO_MANY = 1000

reader, writer = os.pipe()
first = os.getpid()
end = time.monotonic() + 2
refusal = None
while time.monotonic() < end:
    try:
        if os.fork() == 0:
            os.write(writer, b".")
    except OSError as error:
        refusal = error
        time.sleep(0.01)

if os.getpid() != first:
    time.sleep(3600)

os.set_blocking(reader, False)
try:
    made = len(os.read(reader, 1 << 16))
except BlockingIOError:
    made = 0
if refusal is None or made >= FAR_TOO_MANY:
    print(f"ESCAPED: {made} processes")
    sys.exit(66)
print(f"contained: {made} processes, then: {refusal.strerror}")
