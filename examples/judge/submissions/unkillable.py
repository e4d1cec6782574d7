"""Ignores every signal that can be ignored, and so do its children, which have left its process group and session."""

import os
import signal
import time

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass

for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        break
while True:
    time.sleep(3600)
