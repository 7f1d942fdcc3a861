"""A process that prepares videos one by one, and is replaced when one of them kills it."""

import multiprocessing
import os
import time
from typing import NamedTuple

from jaxtalk.core.errors import UserError
from jaxtalk.media import face_detector
from tfds_builders.child_process import follow_parent

from . import clips
from .parameters import Parameters
from .store import Store

_BEAT_S = 0.5
_JOIN_S = 5.0
_START_S = 300.0


class Job(NamedTuple):
    """What a process must know; it can be sent to another machine that sees the same disks.

    Attributes:
      folder: of the `Store`.
      parameters: `Parameters`.
      detector: from `Parameters.detector` to a context of a `face_detector.FaceDetector`.
      patience_s: without a new frame after which a video is given up.
      syncnet: directory of the weights that `Parameters.syncnet` names; "" = none.
    """

    folder: str
    parameters: Parameters
    detector: object = face_detector.face_detector
    patience_s: float = 120.0
    syncnet: str = ""

    @property
    def store(self):
        return Store(self.folder, self.parameters)


class Worker:
    """Prepares videos in a process of its own; to be closed."""

    def __init__(self, job):
        self._job, self._process, self._connection = job, None, None

    def prepare(self, source):
        """Makes the clips of a source, or notes why there are none.

        Raises:
          StoreError: the store cannot be written.
          UserError: no process starts.
        """
        if self._process is not None and not self._process.is_alive():
            self.close()
        if self._process is None:
            self._start()
        self._connection.send(source)
        while True:
            if not self._connection.poll(self._job.patience_s):
                self.close()
                return self._failed(
                    source, "timed out", f"found no frame in {self._job.patience_s:g} s"
                )
            try:
                kind, detail = self._connection.recv()
            except (EOFError, OSError):
                self._process.join(_JOIN_S)
                code = self._process.exitcode
                self.close()
                return self._failed(source, "crashed", f"its process ended with code {code}")
            if kind == "store":
                raise clips.StoreError(detail)
            if kind == "failed":
                return self._failed(source, "crashed", detail)
            if kind == "done":
                return None

    def close(self):
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self):
        # Spawned, not forked: the parent runs threads.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._job), daemon=True)
        self._process.start()
        theirs.close()
        try:
            ready = self._connection.poll(_START_S) and self._connection.recv()
        except (EOFError, OSError):
            ready = False
        if not ready:
            self.close()
            raise UserError(
                "--num_processes: a process that prepares videos ended before its first one, "
                "expected it to start; try --num_processes 1"
            )

    def _failed(self, source, reason, detail):
        self._job.store.note(source, problem=[reason, detail])


def _serve(connection, job):
    follow_parent()
    last = 0.0

    def beat():
        nonlocal last
        if time.monotonic() - last > _BEAT_S:
            last = time.monotonic()
            connection.send(("beat", ""))

    lip_sync = _lip_sync(job.syncnet)
    with job.detector(job.parameters.detector) as detector:
        connection.send(("ready", ""))
        while True:
            try:
                source = connection.recv()
            except EOFError:
                return
            try:
                clips.prepare(source, job.parameters, detector, job.store, beat, lip_sync)
            except clips.StoreError as error:
                connection.send(("store", str(error)))
            except Exception as error:  # whatever a strange video brings about
                connection.send(("failed", f"{type(error).__name__}: {error}"))
            else:
                connection.send(("done", ""))


def _lip_sync(directory):
    """`lip_sync.LipSync` of a directory, None of ""."""
    if not directory:
        return None
    # Else each process would take an accelerator for itself, which is wanted on request only.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from .lip_sync import LipSync

    found = LipSync(directory)
    found.warm_up()
    return found
