"""From a portrait and speech to frames, as a stream: the one way in for CLI, Python and evaluation.

    talker = Talker.load("runs/quickstart")
    for frames in talker.generate("me.png", "talk.wav"):  # uint8 [n, H, W, 3], 25 a second
        ...

Whatever the caller's chunks, the networks see blocks of `BLOCK_FRAMES` frames, joined by a carry:
each network is compiled once, memory does not grow with the recording, and the size of the chunks
does not change a bit of the frames.
"""

import contextlib
import itertools
import numbers
import os
import pathlib
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxtalk.core.batch import SAMPLES_PER_FRAME, to_uint8, to_unit
from jaxtalk.core.errors import UserError
from jaxtalk.media.face import portrait_crop
from jaxtalk.media.image import read_image
from jaxtalk.media.inputs import (
    audio_blocks,
    audio_excerpts,
    checked_box,
    checked_frames,
    is_path,
    motion_frames,
)
from jaxtalk.nn.psp import Encoder, style_codes
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.ops.mel import mel_windows
from jaxtalk.systems.styletalker import generate as system
from jaxtalk.systems.styletalker.model import make_model
from jaxtalk.training.checkpoint import digest, has_weights, load_weights

BUNDLE = pathlib.Path(__file__).parent / "bundle" / "demo"
STAGE = "styletalker"
# What comes with the repository -> its folder there: the small demo model, and its ablations.
BUNDLED = {"bundle": STAGE, "bundle:no_flow": "no_flow", "bundle:no_sync": "no_sync"}
NETWORKS = ("encoder", "generator", "styletalker")
BLOCK_FRAMES = 8
MAX_BOUNCE_FRAMES = 250  # of a motion clip that is shorter than the speech


class Talker:
    """A trained StyleTalker with the encoder and the generator that it was trained for.

    Attributes:
      name: what is written into generated files: the preset and a digest of the weights.
      image_size: side of the frames in px.
    """

    def __init__(self, variables, config):
        """From what `load_weights` returns; see `load`."""
        self._config = values = config[STAGE]
        encoder = make_encoder(values.model)
        self.image_size = values.model.image_size
        self.name = f"{STAGE}-{config.preset}-{digest(variables)[:8]}"
        self._variables = jax.device_put(variables)

        def encode(variables, frames):
            return style_codes(encoder, variables, to_unit(frames))

        def block(variables, inputs, carry, rng, temperature):
            w, carry = system.generate_block(
                values, variables[STAGE], inputs, carry, rng, temperature=temperature
            )
            images = system.synthesize(values, variables["generator"], w)
            return to_uint8(images), carry

        def reconstruct(variables, frames):
            w = encode(variables, frames)
            return to_uint8(system.synthesize(values, variables["generator"], w))

        self._encode = jax.jit(encode)
        self._reconstruct = jax.jit(reconstruct)
        self._block = jax.jit(block)
        self._mel = jax.jit(lambda audio: mel_windows(audio / 32768.0))

    @classmethod
    def load(cls, checkpoint):
        """From a work directory, a directory of weights, or a name of `BUNDLED`.

        Raises:
          UserError: no weights there, weights of something else, or of another configuration
            (a field missing or unknown, a value that no network takes, arrays of other shapes).
        """
        if not is_path(checkpoint):
            raise UserError(f"checkpoint: found {checkpoint!r}, expected a directory or 'bundle'")
        if os.fspath(checkpoint) in BUNDLED:
            directory = BUNDLE / BUNDLED[os.fspath(checkpoint)]
            variables, config = _load_bundled(directory)
        else:
            directory = find_weights(checkpoint)
            variables, config = load_weights(directory)
        if sorted(variables) != list(NETWORKS) or STAGE not in config:
            raise UserError(
                f"checkpoint: found the networks {', '.join(sorted(variables))} in {directory}, "
                f"expected {', '.join(NETWORKS)}; give the work directory of a "
                f"`configs/styletalker.py` run, or one of {', '.join(BUNDLED)}"
            )
        try:
            _check_shapes(variables, config[STAGE].model, directory)
            return cls(variables, config)
        except UserError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # A field of the config is missing, unknown to a network, or has a value of no network.
            raise UserError(
                f"checkpoint: {directory} is of another configuration: found a config that makes "
                f"no networks ({' '.join(str(error).split())}), expected one of this version; "
                "train it again, or use the version of jaxtalk that made it"
            ) from error

    def generate(
        self,
        image,
        audio,
        *,
        box=None,
        motion=None,
        motion_box=None,
        seed=0,
        temperature=1.0,
        chunk_frames=BLOCK_FRAMES,
    ):
        """The frames of a talking head.

        Without `motion`, head motion and blinks are drawn from the prior (eq. 19); with it, they
        are those of the motion source (eq. 18), and the lips follow the audio all the same. A
        motion source that is longer than the audio is cut. One that is shorter is played backwards
        and forwards again over its last 10 s (all of it, if it has less).

        Args:
          image: the portrait, a file or uint8 [H, W, 3].
          box: the square of it to take, (x0, y0, x1, y1) in px; `media.crop.portrait_box` finds it
            around a face, as corpora of real videos are cut. None = the largest centred square.
          audio: speech, an audio or video file; or [S], int16 or float in [-1, 1], mono, 16 kHz.
          motion: None, a video file, or uint8 [T, H, W, 3] at 25 fps.
          motion_box: as `box`, of its frames; `media.crop.video_box` finds it.
          seed: 0 .. 2^32 - 1; the same one gives the same frames on the same machine.
          temperature: factor of the noise; 0 = the likeliest motion at each frame.
          chunk_frames: frames to give at a time.

        Returns:
          Iterator of uint8 [n, H, W, 3] in RGB, n = chunk_frames but for the last chunk; in all
          ceil(25 * duration) frames. Faults of a file that show late are raised by it.

        Raises:
          UserError: an input that cannot be used; the message names it.
        """
        if not isinstance(chunk_frames, numbers.Integral) or chunk_frames < 1:
            raise UserError(f"chunk_frames: found {chunk_frames!r}, expected at least 1, whole")
        if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
            raise UserError(f"seed: found {seed!r}, expected a whole number, 0 .. {2**32 - 1}")
        if not isinstance(temperature, numbers.Real) or not 0 <= temperature < float("inf"):
            raise UserError(f"temperature: found {temperature!r}, expected 0 or more")
        portrait = read_image(image) if is_path(image) else checked_frames(image, "image", 3)
        if box is not None:
            box = checked_box(box, portrait.shape[:2])
        portrait = portrait_crop(portrait, self.image_size, box)
        with contextlib.ExitStack() as opened:
            sound = opened.enter_context(
                contextlib.closing(audio_blocks(audio, BLOCK_FRAMES * SAMPLES_PER_FRAME))
            )
            film = None if motion is None else motion_frames(motion, self.image_size, motion_box)
            if film is not None:
                opened.enter_context(contextlib.closing(film))
            speech, frames = _started(sound), film and _started(film)
            opened = opened.pop_all()
        rng = jax.random.key(seed)

        def block(inputs, carry):
            return self._block(self._variables, inputs, carry, rng, float(temperature))

        w_ref = self._encode(self._variables, portrait[None])
        pieces = system.stream(
            block,
            self._inputs(opened, speech, frames),
            system.init_carry(self._config, w_ref),
            block_frames=BLOCK_FRAMES,
            lookahead=system.lookahead(self._config),
        )
        return rechunk(_one_ahead(pieces), chunk_frames)

    def reconstruct(self, frames):
        """Frames -> style codes -> frames: what encoder and generator hold of them.

        Args:
          frames: uint8 [T, H, W, 3]; their largest centred square is taken.

        Returns:
          uint8 [T, image_size, image_size, 3].

        Raises:
          UserError: not such an array.
        """
        frames = checked_frames(frames, "frames", 4)
        frames = np.stack([portrait_crop(frame, self.image_size) for frame in frames])
        pieces = []
        for start in range(0, len(frames), BLOCK_FRAMES):
            block = frames[start : start + BLOCK_FRAMES]
            padding = np.repeat(block[-1:], BLOCK_FRAMES - len(block), axis=0)
            images = self._reconstruct(self._variables, np.concatenate([block, padding]))
            pieces.append(np.asarray(images)[: len(block)])
        return np.concatenate(pieces)

    def _inputs(self, opened, sound, film):
        """Chunks for `system.stream`: mel windows, and style codes of the motion source if any.
        However it ends, it closes what is `opened`."""
        with opened:
            codes = None if film is None else self._motion_codes(film)
            for excerpt, num_frames in audio_excerpts(sound, BLOCK_FRAMES):
                inputs = {"mel": np.asarray(self._mel(excerpt[None]))[:, :num_frames]}
                if codes is not None:
                    inputs["motion_w"] = np.stack(list(itertools.islice(codes, num_frames)))[None]
                yield inputs

    def _motion_codes(self, frames):
        """Style codes [num_ws, D] of a motion source, for ever: see `generate`."""
        recent = deque(maxlen=MAX_BOUNCE_FRAMES)
        for frame in frames:
            code = np.asarray(self._encode(self._variables, frame[None]))[0]
            recent.append(code)
            yield code
        recent = list(recent)
        yield from itertools.cycle(recent[-2::-1] + recent[1:] or recent)


def make_encoder(model):
    """pSp from `config.model` of the styletalker stage."""
    return Encoder(**model.encoder, image_size=model.image_size, dtype=jnp.dtype(model.dtype))


def find_weights(checkpoint):
    """The directory of weights in a work directory, or of one of its parts.

    Raises:
      UserError: none is there.
    """
    root = pathlib.Path(checkpoint)
    for directory in (root / STAGE / "weights", root / STAGE, root / "weights", root):
        if has_weights(directory):
            return directory
    raise UserError(
        f"checkpoint: found no weights of StyleTalker in {os.fspath(checkpoint)!r}, expected a "
        f"work directory or one of {', '.join(BUNDLED)}; make one with `python -m jaxtalk.train "
        "--config configs/styletalker.py --workdir runs/demo`"
    )


def _load_bundled(directory):
    """As `load_weights`: the goal's own network with the encoder and generator of the psp stage."""
    if not all(has_weights(path) for path in (directory, BUNDLE / "psp")):
        raise UserError(
            f"checkpoint: found no weights of StyleTalker in the bundle ({directory}), expected "
            "those of the demo; train it with `python -m jaxtalk.train --config "
            "configs/styletalker.py --workdir runs/demo` and give `--checkpoint runs/demo`"
        )
    variables, config = load_weights(directory)
    return {**load_weights(BUNDLE / "psp")[0], **variables}, config


def _check_shapes(variables, model, directory):
    """UserError unless the arrays are those of the networks that the config describes."""

    def init(rng):
        images = jnp.zeros((1, model.image_size, model.image_size, 3))
        z, mel = jnp.zeros((1, model.generator.z_dim)), jnp.zeros((1, 1, 20, 80))
        w = jnp.zeros((1, 1, model.num_ws, model.w_dim))
        return {
            "encoder": make_encoder(model).init(rng, images),
            "generator": Generator(**model.generator).init(rng, z),
            STAGE: make_model(model).init(rng, w, mel, rng),
        }

    def shapes(tree):
        leaves = traverse_util.flatten_dict(tree, sep="/").items()
        return {name: list(leaf.shape) for name, leaf in leaves}

    found, expected = shapes(variables), shapes(jax.eval_shape(init, jax.random.key(0)))
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise UserError(
                f"checkpoint: {directory} is of another configuration: {name}: found "
                f"{found.get(name, 'nothing')}, expected {expected.get(name, 'nothing')}; "
                "train it again, or use the version of jaxtalk that made it"
            )


def rechunk(pieces, size):
    """Arrays of any length -> the same rows in arrays of `size` rows, the last one of the rest."""
    pending, length = [], 0
    for piece in pieces:
        pending.append(piece)
        length += len(piece)
        if length >= size:
            joined = np.concatenate(pending)
            whole = length - length % size
            yield from (joined[i : i + size] for i in range(0, whole, size))
            pending, length = [joined[whole:]], length - whole
    if length:
        yield np.concatenate(pending)


def _one_ahead(pieces):
    """Frames [n, H, W, 3] on the host; the device makes the next piece while one is in use."""
    previous = None
    for piece in pieces:
        if previous is not None:
            yield np.asarray(previous[0])
        previous = piece
    yield np.asarray(previous[0])


def _started(items):
    """The same items; the first one is fetched at once, with the errors that this may raise."""
    return itertools.chain([next(items)], items)
