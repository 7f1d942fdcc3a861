"""Being asked to stop: SIGTERM of a scheduler that takes the machine back, or Ctrl-C."""

import itertools
import signal
import threading

import jax
from jax.experimental import multihost_utils

# Steps of this process in all its stages: processes agree on one of them, and it must only grow.
_CALLS = itertools.count()


class StopSignals:
    """While entered, SIGTERM and Ctrl-C are noted instead of obeyed; a second one is obeyed.

    With several processes the signal may reach any of them at any time, so JAX's own service
    listens to it, and has all of them stop after the same step.
    """

    def __init__(self):
        self._number = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread() and jax.process_count() == 1:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception):
        self._restore()

    def requested(self):
        """Whether to stop after this step; to be called once a step, in all processes."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(next(_CALLS))
        return self._number is not None

    @property
    def exit_code(self):
        """What a shell reports of a process that the signal has ended."""
        return 128 + (self._number or signal.SIGTERM)

    def _note(self, number, frame):
        del frame
        self._number = number
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
