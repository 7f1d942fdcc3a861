"""Manners of a process that works for another one."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def follow_parent():
    """Leaves Ctrl-C to the parent, and ends when the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
