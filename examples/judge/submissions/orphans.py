"""Ends at once, but leaves children in sessions of their own that hold its output open."""

import os
import time

children = 0
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    children += 1
print(f"{children} children left behind")
