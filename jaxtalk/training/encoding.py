"""Style codes of a corpus by a trained encoder: what `jaxtalk.train` and `jaxtalk.encode` share."""

import pathlib

import jax
from flax.errors import FlaxError

from jaxtalk.core.errors import UserError
from jaxtalk.training import checkpoint, loop
from jaxtalk.training import mesh as mesh_lib
from jaxtalk.training.metric_writer import say

BUNDLE = pathlib.Path(__file__).resolve().parents[1] / "bundle" / "demo"
BATCH = 32  # frames of one call of the encoder
NETWORKS = ("encoder", "generator")  # the generator has the mean code


def encode_corpus(encode, variables, dataset, *, codes_dir, splits, data, shard=(0, 1)):
    """Computes the codes that are not there yet; see `jaxtalk.data.codes.encode_corpus`.

    Each process encodes its share of the clips, on its own devices.

    Args:
      encode: (variables, uint8 [N, H, W, 3]) -> float32 [N, num_ws, w_dim]; pure.
      variables: what the stage psp exports.
      dataset: `name` and `data_dir` of the corpus.
      codes_dir: folder of the codes.
      splits: names of the splits to encode.
      data: has `encode_corpus` of `jaxtalk.data.codes`.
      shard: (i, n): of n jobs that know nothing of each other, this is the i-th, from 0. Its
        clips are every n-th from i; its processes share them.

    Raises:
      UserError: as `jaxtalk.data.codes.encode_corpus`; frames that the encoder does not take.
    """
    mesh = mesh_lib.local_mesh(BATCH)
    batch_sharding = mesh_lib.batch_sharding(mesh)
    on_devices = jax.device_put(variables, mesh_lib.replicated(mesh))
    jitted = jax.jit(encode)

    def encode_batch(frames):
        try:
            return jitted(on_devices, jax.device_put(frames, batch_sharding))
        except (FlaxError, TypeError, ValueError) as error:  # seen when it is traced
            raise UserError(
                f"{dataset.name}: found frames of {frames.shape[2]} x {frames.shape[1]} px, which "
                f"the encoder does not take ({error}); name a corpus of its size, or other weights"
            ) from error

    data.encode_corpus(
        dataset,
        encode_batch,
        weights_digest=checkpoint.digest(variables),
        codes_dir=codes_dir,
        splits=splits,
        batch_size=BATCH,
        shard_index=shard[0] + shard[1] * jax.process_index(),
        shard_count=shard[1] * jax.process_count(),
        say=say,
    )


def load_encoder(path):
    """(variables, values of a stage whose `model` describes them) of trained weights.

    Args:
      path: weights of the stage psp; those of the stage styletalker, which hold the encoder that it
        was trained with; a work directory with either of them; or "bundle".

    Raises:
      UserError: no such weights; weights of something else; a stage psp that is still trained.
    """
    root = BUNDLE if str(path) == "bundle" else pathlib.Path(path)
    places = [root / name for name in ("psp/weights", "psp", "weights", "", "styletalker/weights")]
    directory = next((place for place in places if checkpoint.has_weights(place)), None)
    if directory is None:
        raise UserError(
            f"--checkpoint: found no weights of an encoder in {root}, expected those of the stage "
            "psp, or a work directory that has them; train it with `python -m jaxtalk.train "
            "--config configs/psp.py`"
        )
    if directory == root / "psp/weights" and not (root / "psp" / loop.FINISHED_FILE).exists():
        raise UserError(
            f"--checkpoint: the stage psp in {root} is not finished, and training goes on with "
            f"other weights; finish it, or name {directory} to take them as they are"
        )
    variables, config = checkpoint.load_weights(directory)
    stage = "styletalker" if "styletalker" in variables else "psp"
    if not set(NETWORKS) <= set(variables) or not config.get(stage, {}).get("model"):
        raise UserError(
            f"--checkpoint: found weights of something else in {directory} "
            f"({', '.join(sorted(variables))}), expected those of the stage psp "
            f"({', '.join(NETWORKS)}); name another directory"
        )
    return {name: variables[name] for name in NETWORKS}, config[stage]
