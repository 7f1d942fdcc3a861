"""The measuring networks of a checkpoint: who, where and how turned a face is, and lips and speech.

They are stages of the recipe: arcface, syncnet and landmarks. A stage is looked for where the
recipe itself finds it: weights that its config names, the work directory, the bundle.
"""

import os
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.core.batch import to_unit
from jaxtalk.core.errors import UserError
from jaxtalk.media.audio import audio_excerpt
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.landmark_regressor import LandmarkRegressor
from jaxtalk.nn.syncnet import SyncNet
from jaxtalk.ops.mel import mel_windows
from jaxtalk.talker import BUNDLE, BUNDLED, find_weights
from jaxtalk.training.checkpoint import has_weights, load_config, load_weights

STAGES = ("arcface", "landmarks", "syncnet")
BATCH = 32  # frames, or windows of frames, of one call of a network
_mel = jax.jit(mel_windows)


class Track(NamedTuple):
    """A video and what the networks see in it; None where the network is not there.

    frames: uint8 [T, H, W, 3]. landmarks: [T, 68, 2] px. pose: [T, 3] rad. identity: [T, D], of
    length 1. lips: [T - 4, D], of length 1, of the windows around the frames 2 .. T - 3.
    """

    frames: np.ndarray
    landmarks: np.ndarray | None = None
    pose: np.ndarray | None = None
    identity: np.ndarray | None = None
    lips: np.ndarray | None = None


def find_stages(checkpoint, landmarks=None, stages=STAGES):
    """Directories of the weights of the measuring stages that are there.

    Args:
      checkpoint: as `Talker.load` takes it.
      landmarks: None, or a work directory or directory of weights of the stage landmarks.
      stages: names of those to look for.

    Returns:
      {stage: directory}.

    Raises:
      UserError: no weights at `landmarks`.
    """
    choices = {name: _places(checkpoint, name) for name in stages}
    if landmarks:
        root = pathlib.Path(landmarks)
        choices["landmarks"] = [root / "landmarks" / "weights", root / "weights", root]
    found = {}
    for name, places in choices.items():
        there = [place for place in places if has_weights(place)]
        if there:
            found[name] = there[0]
    if landmarks and "landmarks" not in found:
        raise UserError(
            f"--landmarks: found no weights in {root}, expected a work directory of "
            "`python -m jaxtalk.train --config configs/landmarks.py`"
        )
    return found


def _places(checkpoint, name):
    """Where the recipe of a checkpoint finds a stage, the first choice first."""
    if os.fspath(checkpoint) in BUNDLED:
        return [BUNDLE / name]
    config = load_config(find_weights(checkpoint))
    named, own = config.pretrained.get(name, ""), pathlib.Path(checkpoint) / name / "weights"
    bundled = [BUNDLE.parent / config.preset / name] if config.use_bundle else []
    return [pathlib.Path(named)] if named else [own, *bundled]


def load_networks(directories, image_size):
    """{"identity" | "landmarks" | "lips" | "speech": function}, as `track` and `embed_speech` need.

    Args:
      directories: of `find_stages`.
      image_size: of the frames, in px.

    Raises:
      UserError: weights of another stage or for frames of another size.
    """
    makers = {"arcface": _identity, "landmarks": _landmarks, "syncnet": _sync}
    networks = {}
    for name, directory in directories.items():
        variables, config = load_weights(directory)
        if name not in variables or name not in config:
            raise UserError(
                f"{directory}: found weights of something else, expected those of {name}"
            )
        model = config[name].model
        if model.image_size != image_size:
            raise UserError(
                f"{directory}: found the stage {name} for {model.image_size} px, expected "
                f"{image_size} px, as the checkpoint draws; train it with that size"
            )
        networks |= makers[name](model, jax.device_put(variables[name]))
    return networks


def _identity(model, variables):
    net = IRSE50(model.width, model.embedding_dim, model.face_size, jnp.dtype(model.dtype))
    embed = jax.jit(lambda v, frames: net.apply(v, face_crop(to_unit(frames), net.image_size)))
    return {"identity": lambda frames: embed(variables, frames)}


def _landmarks(model, variables):
    sizes = {key: model[key] for key in ("width", "max_width", "num_levels", "num_features")}
    net = LandmarkRegressor(**sizes, dtype=jnp.dtype(model.dtype))
    find = jax.jit(lambda v, frames: net.apply(v, to_unit(frames)))
    return {"landmarks": lambda frames: find(variables, frames)}


def _sync(model, variables):
    sizes = {key: model[key] for key in ("width", "embedding_dim", "audio_width", "first_row")}
    net = SyncNet(**sizes, dtype=jnp.dtype(model.dtype))
    lips = jax.jit(lambda v, windows: net.apply(v, to_unit(windows), method="video"))
    speech = jax.jit(lambda v, mel: net.apply(v, mel, method="audio"))
    return {
        "lips": lambda windows: lips(variables, windows),
        "speech": lambda mel: speech(variables, mel),
    }


def in_batches(function, rows):
    """The function of [N, ...] rows, in batches of one size, as a tree of numpy arrays."""
    results = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        padding = np.repeat(batch[-1:], BATCH - len(batch), axis=0)
        results.append(jax.device_get(function(np.concatenate([batch, padding]))))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(rows)], *results)


def track(networks, frames):
    """`Track` of uint8 frames [T, H, W, 3]; T at least 5."""
    found = {}
    if "landmarks" in networks:
        found = in_batches(networks["landmarks"], frames)
        found["landmarks"] = found["landmarks"] * frames.shape[2]
    if "identity" in networks:
        found["identity"] = in_batches(networks["identity"], frames)
    if "lips" in networks:
        windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW_FRAMES, axis=0)
        found["lips"] = in_batches(networks["lips"], np.moveaxis(windows, -1, 1))
    return Track(frames, **found)


def still(networks, frame, num_frames):
    """`Track` of a picture, uint8 [H, W, 3], that is shown for `num_frames` frames."""
    short = track(networks, np.repeat(frame[None], WINDOW_FRAMES, axis=0))
    lengths = Track(*[num_frames] * 4, num_frames - WINDOW_FRAMES + 1)
    first = (None if x is None else np.repeat(x[:1], n, axis=0) for x, n in zip(short, lengths))
    return Track(*first)


def embed_speech(networks, audio, num_frames):
    """int16 [S] -> [num_frames - 4, D], of length 1: of the windows of `Track.lips`; or None."""
    if "speech" not in networks:
        return None
    margin, rows = WINDOW_FRAMES // 2, []
    # In blocks of one size, so that recordings of all lengths take one compilation.
    for start in range(margin, num_frames - margin, BATCH):
        excerpt = audio_excerpt(audio, start, BATCH).astype(np.float32) / 32768
        rows.append(jax.device_get(networks["speech"](_mel(excerpt[None])[0])))
    return np.concatenate(rows)[: num_frames - 2 * margin]
