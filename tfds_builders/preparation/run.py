"""All videos of a listing: by threads that own a process each, or by Apache Beam."""

import concurrent.futures
import contextlib
import itertools
import queue

from tqdm import tqdm

from jaxtalk.core.errors import UserError

from .clips import StoreError
from .guard import Worker

_WINDOW = 2  # videos handed out for each process


def pending(sources, store):
    """The sources that have no result yet; those whose process died are tried again."""
    return [source for source in sources if store.finished(source) is None]


def prepare_here(sources, job, num_processes):
    """Prepares sources on this machine.

    Raises:
      UserError: the disk is full, or cannot be written.
    """
    idle = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        for _ in range(min(num_processes, len(sources))):
            worker = Worker(job)
            stack.callback(worker.close)
            idle.put(worker)
        # After the workers, so that it ends before they are closed.
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(max(1, idle.qsize())))

        def prepare(source):
            worker = idle.get()
            try:
                worker.prepare(source)
            finally:
                idle.put(worker)

        progress = stack.enter_context(tqdm(total=len(sources), unit="video", disable=None))
        waiting = iter(sources)
        # Only so many at a time: each is a future with a lock of its own.
        under_way = {
            pool.submit(prepare, source)
            for source in itertools.islice(waiting, _WINDOW * idle.qsize())
        }
        try:
            while under_way:
                done, under_way = concurrent.futures.wait(
                    under_way, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    future.result()
                    progress.update()
                under_way |= {
                    pool.submit(prepare, source) for source in itertools.islice(waiting, len(done))
                }
        except (StoreError, OSError) as error:
            raise store_fault(error, job) from error
        finally:
            # After a fault or Ctrl-C, only the videos that are under way are finished.
            pool.shutdown(cancel_futures=True)


def store_fault(error, job):
    """The `UserError` of a store that cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(
        f"--data_dir: cannot write {job.folder} ({reason}); expected a folder that can be written, "
        "with room for the clips; what is prepared is kept, start again"
    )


def prepare_with_beam(sources, job, runner, options):
    """Prepares sources by a pipeline of Apache Beam, whose workers must see the same disks.

    Args:
      sources, job: as above.
      runner: name of Beam's runner, or None.
      options: Beam's PipelineOptions.
    """
    import apache_beam as beam

    class Prepare(beam.DoFn):
        """Each of Beam's workers owns a process that prepares videos."""

        def setup(self):
            self._worker = Worker(job)

        def process(self, source):
            self._worker.prepare(source)

        def teardown(self):
            self._worker.close()

    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(sources)
            | "Spread" >> beam.Reshuffle()
            | "Prepare" >> beam.ParDo(Prepare())
        )
