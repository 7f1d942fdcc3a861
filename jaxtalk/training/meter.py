"""Metrics of the steps since the last look, and the time they took.

Metrics stay on the devices until somebody looks, so that no step waits for the one before.
"""

import contextlib
import time

import jax
import numpy as np

STEPS_IN_FLIGHT = 2  # how far the host may run ahead of the devices


class Meter:
    """Collects {name: scalar} of each step."""

    def __init__(self):
        self._on_device = []
        self._seen = {}

    def add(self, step, metrics):
        """Takes the metrics of a step, and waits for the step before the last."""
        self._on_device.append((step, metrics))
        if len(self._on_device) > STEPS_IN_FLIGHT:
            jax.block_until_ready(self._on_device[-1 - STEPS_IN_FLIGHT][1])

    def check(self):
        """Fetches what is still on the devices.

        Raises:
          FloatingPointError: names the first step with values that are not finite, and them.
        """
        for step, metrics in jax.device_get(self._on_device):
            bad = [
                f"{name} is {value}" for name, value in metrics.items() if not np.isfinite(value)
            ]
            if bad:
                raise FloatingPointError(f"step {step}: {', '.join(bad)}")
            for name, value in metrics.items():
                self._seen.setdefault(name, []).append(float(value))
        self._on_device = []

    def means(self):
        """Mean of each metric over the steps that reported it since the last call."""
        self.check()
        means = {name: float(np.mean(values)) for name, values in self._seen.items()}
        self._seen = {}
        return means


class Clock:
    """Steps per second, without pauses."""

    def __init__(self):
        self._begin, self._steps = time.perf_counter(), 0

    def start(self):
        """Begins anew; returns the seconds since the last beginning."""
        taken = time.perf_counter() - self._begin
        self._begin, self._steps = time.perf_counter(), 0
        return taken

    def tick(self):
        """Counts a step."""
        self._steps += 1

    def rate(self):
        """Steps per second since the last beginning, 0 for no step; begins anew."""
        steps, taken = self._steps, self.start()
        return steps / taken if steps else 0.0

    @contextlib.contextmanager
    def paused(self):
        """Time that does not count."""
        begin = time.perf_counter()
        yield
        self._begin += time.perf_counter() - begin
