"""By how much the lips of a clip lag its speech, as a SyncNet sees it.

The only module of the builders that needs JAX, and imported only for the option `--syncnet`.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.networks import BATCH, find_stages
from jaxtalk.media.audio import SAMPLES_PER_FRAME
from jaxtalk.media.face import portrait_crop
from jaxtalk.metrics.sync import MIN_OVERLAP, WINDOW_FRAMES
from jaxtalk.scoring.faces import lip_sync_crops
from jaxtalk.scoring.observers import load_observers
from jaxtalk.training.checkpoint import digest, has_weights, load_weights

from .timing import MAX_OFFSET

# One frame more than may be, which is where clips end up that are further off.
_LOOKED_FRAMES = MAX_OFFSET + 1
_MIN_FRAMES = _LOOKED_FRAMES + MIN_OVERLAP + WINDOW_FRAMES - 1
# Protocol of the network -> confidence that is asked for by default. Of the public network what
# LatentSync's preparation asks for (bytedance/LatentSync). Of the bundle's, 95 in 100 held-out
# clips of 50 frames have 0.3 or more with their own speech; with that of somebody else, half have
# 0.19 or more, and one in ten 0.32 (of 75 frames: 0.22).
MIN_CONFIDENCE = {"syncnet_v2": 3.0, "procedural": 0.25}


class Synchrony(NamedTuple):
    """offset: frames at 25 fps by which the lips lag (positive) or lead the speech; of +-16, the
    outermost stand for all beyond. confidence: LSE-C of the network's protocol."""

    offset: int
    confidence: float


def find(name):
    """The directory of the weights that are meant by `--syncnet`.

    Args:
      name: "bundle", or a directory of weights of the stage syncnet, or of a converted public
        SyncNet, or a work directory of a training.

    Raises:
      UserError: no weights there.
    """
    if name == "bundle":
        return str(find_stages("bundle", stages=("syncnet",))["syncnet"])
    root = pathlib.Path(name).absolute()
    for place in (root, root / "weights", root / "syncnet" / "weights"):
        if has_weights(place):
            return str(place)
    raise UserError(
        f"--syncnet: found no weights in {name}, expected a directory of weights that "
        "`python -m jaxtalk.train --config configs/syncnet.py` or `python -m jaxtalk.convert "
        "--kind syncnet` has written, or bundle"
    )


class LipSync:
    """Measures clips; one compilation for clips of all lengths.

    Attributes:
      protocol: of the network, a key of `MIN_CONFIDENCE`.
      min_frames: at 25 fps, of a clip that can be measured.
    """

    min_frames = _MIN_FRAMES

    def __init__(self, directory):
        """directory: of `find`. Raises UserError for weights of something else."""
        weights = {"syncnet": directory}
        self._observer = load_observers(weights, stand_ins=None, families=("sync",))["sync"]
        self.protocol = self._observer.protocol
        self._variables = digest(load_weights(directory)[0])

    @property
    def name(self):
        """Protocol of the network, and eight digits that change with its weights."""
        return f"{self.protocol} {self._variables[:8]}"

    def warm_up(self):
        """Compiles the networks, which may take longer than a video may show no progress."""
        noise = np.random.default_rng(0).integers(0, 255, (self.min_frames, 64, 64, 3), np.uint8)
        sound = np.resize(noise, self.min_frames * SAMPLES_PER_FRAME).astype(np.int16)
        self.measure(noise, sound, box=(0, 0, 64, 64), size=64)

    def measure(self, frames, samples, *, box, size, points=None):
        """`Synchrony` of a clip.

        A SyncNet of this project sees the clip as it is in the corpus. The public one sees the
        square around and below the face that syncnet_python cuts out of the whole picture; without
        landmarks it sees the clip.

        Args:
          frames: iterable of at least `min_frames` uint8 [H, W, 3] at 25 fps, the whole picture.
          samples: int16 [S] of their time.
          box, size: the clip's square in px of the picture, and its side in px of the clip.
          points: [T, 68, 2] landmarks in px of the picture, or None.
        """
        rows, held, state, boxes, count = [], [], None, None, 0

        def see():
            nonlocal state
            found, state = self._observer.see(np.stack(held), None, state)
            rows.append(found)
            held.clear()

        for frame in frames:
            if self.protocol == "syncnet_v2" and points is not None:
                cropped, boxes = lip_sync_crops(frame[None], points[count][None], boxes)
                held.append(cropped[0])
            else:
                held.append(portrait_crop(frame, size, box))
            count += 1
            if len(held) == BATCH:
                see()
        if held:
            see()
        lips, speech = np.concatenate(rows), self._observer.hear(samples, count)
        scores = self._observer.score(lips, speech, max_offset=_LOOKED_FRAMES)
        return Synchrony(int(scores["offset"]), float(scores["lse_c"]))
