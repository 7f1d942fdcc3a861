"""What looks at frames: landmarks, identity, lips and speech, LPIPS and Inception's features.

An observer of frames is a function (frames, points, state) -> (rows, state) of consecutive chunks
of a video: uint8 [n, H, W, 3], the 68 landmarks of each frame [n, 68, 2] in px (NaN without a face)
or None, and what it kept of the chunk before, at first None.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.core.batch import to_unit
from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.networks import (
    STAGES,
    embed_speech,
    find_stages,
    in_batches,
    load_networks,
)
from jaxtalk.media.face import portrait_crop
from jaxtalk.metrics import sync
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.inception import Inception
from jaxtalk.nn.iresnet import IResNet
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.scoring import faces
from jaxtalk.training.checkpoint import digest, load_config, load_weights

FAMILIES = ("landmarks", "identity", "sync", "lpips", "inception")
KINDS = ("arcface", "inception", "iresnet", "landmarks", "lpips", "syncnet")
# Family -> what to say where nothing can look.
NEEDS = {
    "landmarks": "mediapipe (bash launch/install_face.sh) or the stage landmarks "
    "(configs/landmarks.py, --weights landmarks=DIR)",
    "identity": "iresnet or arcface, see jaxtalk.convert, --weights iresnet=DIR",
    "sync": "syncnet, see jaxtalk.convert, --weights syncnet=DIR",
    "lpips": "lpips, see jaxtalk.convert, --weights lpips=DIR",
    "inception": "inception, see jaxtalk.convert, --weights inception=DIR",
}


class Observer(NamedTuple):
    """protocol: how it ends the ids of the metrics that it serves, see `metrics.protocol`.
    see: an observer of frames; of lpips, (frames, frames) -> [n]; None where files tell.
    hear: of sync, (int16 [S], number of frames) -> [frames - 4, D].
    score: of sync, (lips, speech, max_offset=15) -> the scores.
    blind_protocol: in place of `protocol` where nothing gives landmarks, if that differs.
    weights: digest of those of the network, if it is one of ours.
    """

    protocol: str
    see: Callable | None
    hear: Callable | None = None
    score: Callable | None = None
    blind_protocol: str = ""
    weights: str = ""


# Landmarks that come with the clips, see `landmark_files`.
FILES = Observer("file", None)


def load_observers(weights, *, stand_ins="bundle", detector=None, families=FAMILIES):
    """What can look, the best there is of each family.

    Args:
      weights: kind -> directory of weights, converted or of a stage.
      stand_ins: a checkpoint whose measuring stages serve where no public weights are given, as
        `find_stages` takes it; None = none.
      detector: `face_detector.FaceDetector` of a mesh, or None.
      families: which are needed.

    Returns:
      {family: `Observer`}.

    Raises:
      UserError: an unknown kind, no weights there, or weights of something else.
    """
    for kind in weights:
        if kind not in KINDS:
            raise UserError(f"--weights: found {kind!r}, expected one of {', '.join(KINDS)}")
    stages = find_stages(stand_ins, stages=(*STAGES, "perceptual")) if stand_ins else {}
    places = stages | {STAGE_KINDS.get(kind, kind): path for kind, path in weights.items()}
    found = {}
    if "landmarks" in weights or ("landmarks" in stages and detector is None):
        found["landmarks"] = functools.partial(_made, _landmarks, places["landmarks"])
    elif detector is not None:
        see = faces.mesh_observer(detector)
        found["landmarks"] = functools.partial(Observer, "mesh", see)
    for family, kinds in MAKERS.items():
        for kind, make in kinds.items():
            if kind in places:
                found.setdefault(family, functools.partial(_made, make, places[kind]))
    return {
        family: found[family]() for family in FAMILIES if family in families and family in found
    }


def _made(make, directory):
    return make(directory)._replace(weights=digest(load_weights(directory)[0]))


def is_procedural(config):
    """Whether weights are of a stage that was trained on the embedded corpus."""
    return config.get("preset") == "demo"


def _landmarks(directory):
    size = _image_size(directory, "landmarks")
    networks = load_networks({"landmarks": directory}, size)

    def see(frames, points, state):
        del points
        crops = np.stack([portrait_crop(frame, size) for frame in frames])
        height, width = frames.shape[1:3]
        side = min(height, width)
        corner = np.array([(width - side) // 2, (height - side) // 2])
        return in_batches(networks["landmarks"], crops)["landmarks"] * side + corner, state

    return Observer("procedural", see)


def _arcface(directory):
    variables, config = _weights(directory, "arcface")
    model = config.arcface.model
    net = IRSE50(model.width, model.embedding_dim, model.face_size)
    variables = jax.device_put(variables["arcface"])
    embed = jax.jit(lambda v, frames: net.apply(v, face_crop(to_unit(frames), net.image_size)))

    def see(frames, points, state):
        del points
        crops = np.stack([portrait_crop(frame, model.image_size) for frame in frames])
        return in_batches(functools.partial(embed, variables), crops), state

    return Observer("procedural" if is_procedural(config) else "ir_se50", see)


def _iresnet(directory):
    variables, config = _weights(directory, "iresnet")
    net = IResNet(**config.model.iresnet)
    variables = jax.device_put(variables["iresnet"])
    embed = jax.jit(lambda v, frames: net.apply(v, to_unit(frames)))

    def see(frames, points, state):
        if points is None:
            raise UserError("csim: iresnet needs landmarks to align faces; install mediapipe")
        crops = np.stack([faces.aligned(f, p, net.image_size) for f, p in zip(frames, points)])
        rows = in_batches(functools.partial(embed, variables), crops)
        return np.where(np.isfinite(points).all((1, 2))[:, None], rows, np.nan), state

    return Observer("arcface", see)


def _windows(frames, state):
    """Windows of 5 frames that end in these: ([m, 5, ...] or None, what the next call needs)."""
    frames = frames if state is None else np.concatenate([state, frames])
    if len(frames) < WINDOW_FRAMES:
        return None, frames
    windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW_FRAMES, axis=0)
    return np.moveaxis(windows, -1, 1), frames[1 - WINDOW_FRAMES :]


def _sync(directory):
    if "network" in load_config(directory):
        return _public_sync(directory)
    size = _image_size(directory, "syncnet")
    networks = load_networks({"syncnet": directory}, size)

    def see(frames, points, state):
        del points
        windows, state = _windows(np.stack([portrait_crop(f, size) for f in frames]), state)
        return None if windows is None else in_batches(networks["lips"], windows), state

    def score(lips, speech, max_offset=sync.MAX_OFFSET):
        similarities = sync.offset_similarities(lips, speech, max_offset=max_offset)
        return sync.contrastive_lip_sync_error(similarities)

    return Observer("procedural", see, functools.partial(embed_speech, networks), score)


def _public_sync(directory):
    variables, config = _weights(directory, "syncnet")
    net = SyncNetCZ(**config.model.syncnet)
    variables = jax.device_put(variables["syncnet"])
    lips = jax.jit(lambda v, x: net.apply(v, x.astype(jnp.float32), method="lip")[:, 0])
    speech = jax.jit(lambda v, x: net.apply(v, x, method="audio")[:, 0])

    def see(frames, points, state):
        boxes, crops = state or (None, None)
        cropped, boxes = faces.lip_sync_crops(frames, points, boxes)
        windows, crops = _windows(cropped[..., ::-1], crops)
        rows = None if windows is None else in_batches(functools.partial(lips, variables), windows)
        return rows, (boxes, crops)

    def hear(audio, num_frames):
        windows = faces.mfcc_windows(audio, num_frames)
        return in_batches(functools.partial(speech, variables), windows)

    def score(lips, speech, max_offset=sync.MAX_OFFSET):
        return sync.lip_sync_error(sync.offset_distances(lips, speech, max_offset=max_offset))

    return Observer("syncnet_v2", see, hear, score, blind_protocol="syncnet_v2/centred")


def _lpips(directory):
    variables, config = load_weights(directory)
    if "lpips" not in variables or "perceptual" not in config:
        raise UserError(f"{directory}: found weights of something else, expected those of lpips")
    net = LPIPS(width=config.perceptual.model.width)
    variables = jax.device_put(variables["lpips"])
    distance = jax.jit(lambda v, x, y: net.apply(v, to_unit(x), to_unit(y)))
    protocol = "procedural" if is_procedural(config) else "vgg16"
    return Observer(protocol, functools.partial(distance, variables))


def _inception(directory):
    variables, config = _weights(directory, "inception")
    net = Inception(**config.model.inception)
    variables = jax.device_put(variables["inception"])
    features = jax.jit(lambda v, x: net.apply(v, x.astype(jnp.float32) / 255))

    def see(frames, points, state):
        del points
        return in_batches(functools.partial(features, variables), frames), state

    return Observer("", see)


def _weights(directory, name):
    variables, config = load_weights(directory)
    if name not in variables:
        raise UserError(f"{directory}: found weights of something else, expected those of {name}")
    return variables, config


def _image_size(directory, stage):
    config = load_config(directory)
    if stage not in config:
        raise UserError(f"{directory}: found weights of something else, expected those of {stage}")
    return config[stage].model.image_size


# Family -> what its network may be, the first choice first.
MAKERS = {
    "identity": {"iresnet": _iresnet, "arcface": _arcface},
    "sync": {"syncnet": _sync},
    "lpips": {"perceptual": _lpips},
    "inception": {"inception": _inception},
}
STAGE_KINDS = {"lpips": "perceptual"}  # kind -> the stage whose place it takes
