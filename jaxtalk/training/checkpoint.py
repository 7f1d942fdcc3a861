"""What training writes to disk: weights that others load, and checkpoints that it resumes from.

Weights are one file, `weights.npz`, replaced as a whole: arrays under
`<network>/<collection>/<path>` and the config as JSON text. It is read without pickle.

Checkpoints are Orbax directories of {state, run}: `run` is JSON with the state of the data
iterators, the config, and which checkpoint is best. Orbax restores a float32 array into an int32
one, and a wrong shape in some paths, without a word; so the stored names, shapes and dtypes are
compared first. No other file imports orbax.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import zipfile
import zlib

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util
from orbax.checkpoint import checkpoint_managers

from jaxtalk.core.errors import UserError
from jaxtalk.training import config_diff

WEIGHTS_FILE = "weights.npz"
_CONFIG_KEY = "config.json"


# --------------------------------------------------------------------------------------- weights


def save_weights(directory, variables, config, *, compressed=False):
    """Writes network name -> variables and their config to `directory`/weights.npz, atomically.

    Args:
      directory: made if it does not exist.
      variables: network name -> collections of arrays, nested dicts.
      config: ConfigDict that describes the networks.
      compressed: takes time, and about a tenth off the size.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    arrays = traverse_util.flatten_dict(jax.device_get(_plain(variables)), sep="/")
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biufc":
            raise ValueError(f"{name}: {np.asarray(array).dtype} has no form in an npz file")
    arrays[_CONFIG_KEY] = np.frombuffer(
        json.dumps(config_diff.to_json(config), indent=1).encode(), np.uint8
    )
    temporary = directory / f".{WEIGHTS_FILE}"
    with open(temporary, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, directory / WEIGHTS_FILE)


def load_weights(directory):
    """(network name -> variables as nested dicts of numpy arrays, ConfigDict).

    Half-precision arrays, as the bundle has them, come back as float32.

    Raises:
      UserError: no weights there, or a file that cannot be read as such.
    """
    with _weights_file(directory) as file:
        names = [name for name in file.files if name != _CONFIG_KEY]
        arrays = {name: _widened(file[name]) for name in names}
        return traverse_util.unflatten_dict(arrays, sep="/"), _read_config(file)


def _widened(array):
    return array.astype(np.float32) if array.dtype == np.float16 else array


def load_config(directory):
    """The ConfigDict of weights, without their arrays; raises as `load_weights`."""
    with _weights_file(directory) as file:
        return _read_config(file)


def network_names(directory):
    """Sorted names of the networks of weights, without their arrays; raises as `load_weights`."""
    with _weights_file(directory) as file:
        return sorted({name.partition("/")[0] for name in file.files if name != _CONFIG_KEY})


def _read_config(file):
    return config_diff.from_json(json.loads(file[_CONFIG_KEY].tobytes()))


@contextlib.contextmanager
def _weights_file(directory):
    path = pathlib.Path(directory) / WEIGHTS_FILE
    written_by = "that training or `python -m jaxtalk.convert` has written"
    try:
        # Opened here, because np.load leaves a file open that turns out to be broken.
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"weights: found no {path}, expected a directory {written_by}") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"weights: {path} cannot be read ({' '.join(str(error).split())}); expected a file "
            f"{written_by}; write it again"
        ) from error


def has_weights(directory):
    """Whether `directory` holds weights."""
    return (pathlib.Path(directory) / WEIGHTS_FILE).is_file()


def digest(variables):
    """Hexadecimal SHA-256 of the names, shapes, dtypes and values of nested dicts of arrays."""
    sha = hashlib.sha256()
    for name, array in sorted(traverse_util.flatten_dict(_plain(variables), sep="/").items()):
        array = np.ascontiguousarray(array)
        sha.update(f"{name} {array.shape} {array.dtype}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def shapes(tree):
    """Nested dicts of arrays -> path -> dtype and shape, as messages show them."""
    return {
        name: f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"
        for name, leaf in traverse_util.flatten_dict(_plain(tree), sep="/").items()
    }


def _plain(tree):
    """Nested mappings -> nested dicts."""
    return {k: _plain(v) if hasattr(v, "items") else v for k, v in tree.items()}


# ----------------------------------------------------------------------------------- checkpoints


class _NewestAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the newest checkpoint and the best one; a change of `best_step` names another."""

    def __init__(self):
        self.best_step = None

    def should_preserve(self, checkpoints, *, context):
        del context
        newest = max((c.step for c in checkpoints), default=None)
        return [c.step in (newest, self.best_step) for c in checkpoints]


class Checkpoints:
    """The checkpoints of one stage: written in the background, the newest and the best kept.

    A context; leaving it waits for what is being written.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).absolute()
        self._policy = _NewestAndBest()
        self._manager = ocp.CheckpointManager(
            self.directory,
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "run": ocp.JsonCheckpointHandler(),
            },
            options=ocp.CheckpointManagerOptions(
                preservation_policy=self._policy, cleanup_tmp_directories=True
            ),
        )

    def steps(self):
        """Steps of the finished checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def latest_step(self):
        """Step of the newest checkpoint; None if there is none."""
        return self._manager.latest_step()

    def save(self, step, state, run, *, best_step=None):
        """Copies the state, then writes it in the background.

        Args:
          step: number of finished steps.
          state: pytree of arrays; may be donated as soon as this returns.
          run: JSON values (iterator states, config, best so far), the same in all processes.
          best_step: step of the checkpoint to keep besides the newest.
        """
        self._policy.best_step = best_step
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(_by_path(state)), run=ocp.args.JsonSave(run)
            ),
        )

    def read_run(self, step):
        """The JSON values of a checkpoint."""
        restored = self._read(step, ocp.args.Composite(run=ocp.args.JsonRestore()))
        return restored["run"]

    def restore(self, step, abstract_state):
        """The state of a checkpoint, as the shapes, dtypes and shardings of `abstract_state` say.

        Raises:
          UserError: the checkpoint holds other names, shapes or dtypes, or cannot be read.
        """
        expected = _by_path(abstract_state)
        self._compare(step, expected)
        restored = self._read(step, ocp.args.Composite(state=ocp.args.StandardRestore(expected)))
        leaves = traverse_util.flatten_dict(restored["state"], sep="/")
        paths, treedef = jax.tree_util.tree_flatten_with_path(abstract_state)
        return jax.tree.unflatten(treedef, [leaves[_name(path)] for path, _ in paths])

    def wait(self):
        """Returns when all that was saved is on disk."""
        self._manager.wait_until_finished()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._manager.close()

    def _compare(self, step, expected):
        try:
            found = shapes(self._manager.item_metadata(step)["state"].tree)
        except (AttributeError, KeyError, OSError, ValueError) as error:
            raise self._unreadable(step, error) from error
        lines = config_diff.differences(found, shapes(expected))
        if lines:
            raise UserError(
                f"checkpoint {self.directory / str(step)} is of another network: "
                f"{config_diff.shorten(lines)}; give another --workdir or the config that it was "
                "made with"
            )

    def _read(self, step, args):
        try:
            return self._manager.restore(step, args=args)
        except (KeyError, OSError, ValueError) as error:
            raise self._unreadable(step, error) from error

    def _unreadable(self, step, error):
        return UserError(
            f"checkpoint {self.directory / str(step)} cannot be read "
            f"({' '.join(str(error).split())[:200]}); remove it to go on from the one before"
        )


def _name(path):
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _by_path(tree):
    """A pytree -> nested dicts of its leaves, keyed by the parts of their paths."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return traverse_util.unflatten_dict({_name(path): leaf for path, leaf in leaves}, sep="/")
