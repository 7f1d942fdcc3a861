"""Clips in parallel: the same clips in the same order, however many processes make them."""

import concurrent.futures
import multiprocessing
from concurrent.futures.process import BrokenProcessPool

from jaxtalk.core.errors import UserError
from tfds_builders.child_process import follow_parent

from . import clips


def _try_clip(spec):
    """(example, None) or (None, what went wrong): one bad clip must not end a build."""
    try:
        return clips.make_clip(spec), None
    except UserError:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def make_clips(specs, num_processes):
    """Yields (spec, example or None, fault or None) in the order of `specs`.

    Raises:
      UserError: a process was killed from outside, or something is missing that all clips need.
    """
    if num_processes <= 1:
        for spec in specs:
            yield spec, *_try_clip(spec)
        return
    # Spawned, not forked: the parent may run threads. The first clip is made here, so that the
    # workers find the compiled kernels in numba's cache instead of compiling them all.
    yield specs[0], *_try_clip(specs[0])
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        num_processes, mp_context=context, initializer=follow_parent
    )
    try:
        for spec, result in zip(specs[1:], pool.map(_try_clip, specs[1:])):
            yield spec, *result
    except BrokenProcessPool:
        raise UserError(
            f"num_processes: one of {num_processes} processes was killed, found out of memory as a "
            "rule; build again with --num_processes 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
