"""Devices: one mesh with one axis, `data`, over which batches are split.

The state is replicated. A rule that splits large parameters, too, belongs into `state_sharding`
and nowhere else: the loop asks it for the sharding of every leaf, and checkpoints restore into
whatever it says.
"""

import json
import os

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtalk.core.errors import UserError


def make_mesh(batch_size, *, field="batch_size"):
    """A mesh over the devices that take an equal share of the global batch.

    One process uses as many of its devices as divide `batch_size`; several processes must use
    all of theirs.

    Raises:
      UserError: `batch_size`, which the config calls `field`, does not divide over the devices.
    """
    if jax.process_count() == 1:
        return local_mesh(batch_size)
    devices = jax.devices()
    if batch_size % len(devices):
        raise UserError(
            f"{field}: found {batch_size}, expected a multiple of the {len(devices)} devices of "
            f"{jax.process_count()} processes; change it with --config.{field}=..."
        )
    return _data_mesh(devices)


def local_mesh(batch_size):
    """A mesh over the devices of this process alone, as many as divide `batch_size`."""
    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return _data_mesh(devices[:count])


def _data_mesh(devices):
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh):
    """Sharding of values that every device holds as a whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh):
    """Sharding of values whose first axis is the global batch."""
    return NamedSharding(mesh, PartitionSpec("data"))


def state_sharding(mesh: Mesh, abstract_state):
    """Sharding of each leaf of a training state, given its shapes."""
    return jax.tree.map(lambda leaf: replicated(mesh), abstract_state)


def with_sharding(abstract, shardings):
    """Shapes and dtypes, told where each leaf belongs."""
    return jax.tree.map(
        lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )


def to_global(sharding, local):
    """numpy arrays of this process -> global arrays, one leaf at a time."""
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), local
    )


def replicate(mesh: Mesh, tree):
    """The same numpy arrays in every process -> global arrays that every device holds."""
    sharding = replicated(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, x, x.shape),
        jax.tree.map(np.asarray, tree),
    )


def gather_json(value):
    """A JSON value of each process -> the list of all of them, in the order of the processes."""
    if jax.process_count() == 1:
        return [value]
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.asarray(text.size))
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: text.size] = text
    rows = multihost_utils.process_allgather(padded)
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes)]


def use_compilation_cache(directory):
    """Keeps compiled programs in `directory`; "" turns the cache off.

    The variable JAX_COMPILATION_CACHE_DIR, where it is set, goes before.
    """
    if directory and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", os.path.expanduser(directory))
