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

from jaxtalk.core.batch import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, to_uint8, to_unit
from jaxtalk.core.errors import UserError
from jaxtalk.media.audio import (
    MIN_DURATION_S,
    audio_excerpt,
    num_video_frames,
    stream_audio,
    to_int16,
)
from jaxtalk.media.face import portrait_crop
from jaxtalk.media.image import MIN_SIDE_PX, read_image
from jaxtalk.media.video import read_video
from jaxtalk.nn.psp import Encoder, style_codes
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.ops.mel import mel_windows
from jaxtalk.systems.styletalker import generate as system
from jaxtalk.systems.styletalker.model import make_model
from jaxtalk.training.checkpoint import digest, has_weights, load_weights

BUNDLE = pathlib.Path(__file__).parent / "bundle" / "demo"
STAGE = "styletalker"
NETWORKS = ("encoder", "generator", "styletalker")
BLOCK_FRAMES = 8
LEAD_FRAMES, MARGIN_SAMPLES = 3, 1376  # of audio around a block, behind its mel windows
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
        """From a work directory, a directory of weights, or "bundle" (the small demo model).

        Raises:
          UserError: no weights there, weights of something else, or of another configuration
            (a field missing or unknown, a value that no network takes, arrays of other shapes).
        """
        if not _is_path(checkpoint):
            raise UserError(f"checkpoint: found {checkpoint!r}, expected a directory or 'bundle'")
        if os.fspath(checkpoint) == "bundle":
            directory = BUNDLE
            variables, config = _load_bundle()
        else:
            directory = find_weights(checkpoint)
            variables, config = load_weights(directory)
        if sorted(variables) != list(NETWORKS) or STAGE not in config:
            raise UserError(
                f"checkpoint: found the networks {', '.join(sorted(variables))} in {directory}, "
                f"expected {', '.join(NETWORKS)}; give the work directory of a "
                "`configs/styletalker.py` run"
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
        portrait = read_image(image) if _is_path(image) else _checked_frames(image, "image", 3)
        if box is not None:
            box = _checked_box(box, portrait.shape[:2])
        portrait = portrait_crop(portrait, self.image_size, box)
        with contextlib.ExitStack() as opened:
            sound = opened.enter_context(contextlib.closing(_audio_blocks(audio)))
            film = None if motion is None else _motion_frames(motion, self.image_size)
            if film is not None:
                opened.enter_context(contextlib.closing(film))
            audio_blocks, frames = _started(sound), film and _started(film)
            opened = opened.pop_all()
        rng = jax.random.key(seed)

        def block(inputs, carry):
            return self._block(self._variables, inputs, carry, rng, float(temperature))

        w_ref = self._encode(self._variables, portrait[None])
        pieces = system.stream(
            block,
            self._inputs(opened, audio_blocks, frames),
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
        frames = _checked_frames(frames, "frames", 4)
        frames = np.stack([portrait_crop(frame, self.image_size) for frame in frames])
        pieces = []
        for start in range(0, len(frames), BLOCK_FRAMES):
            block = frames[start : start + BLOCK_FRAMES]
            padding = np.repeat(block[-1:], BLOCK_FRAMES - len(block), axis=0)
            images = self._reconstruct(self._variables, np.concatenate([block, padding]))
            pieces.append(np.asarray(images)[: len(block)])
        return np.concatenate(pieces)

    def _inputs(self, opened, audio_blocks, motion_frames):
        """Chunks for `system.stream`: mel windows, and style codes of the motion source if any.
        However it ends, it closes what is `opened`."""
        with opened:
            codes = None if motion_frames is None else self._motion_codes(motion_frames)
            for excerpt, num_frames in audio_excerpts(audio_blocks):
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
        f"checkpoint: found no weights of StyleTalker in {root}, expected a work directory; make "
        f"one with `python -m jaxtalk.train --config configs/styletalker.py --workdir {root}`"
    )


def _load_bundle():
    """As `load_weights`: the goal's own network with the encoder and generator of the psp stage."""
    if not all(has_weights(BUNDLE / name) for name in (STAGE, "psp")):
        raise UserError(
            f"checkpoint: found no weights of StyleTalker in the bundle ({BUNDLE}), expected those "
            "of the demo; train it with `python -m jaxtalk.train --config configs/styletalker.py "
            "--workdir runs/demo` and give `--checkpoint runs/demo`"
        )
    variables, config = load_weights(BUNDLE / STAGE)
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


def audio_excerpts(blocks):
    """Cuts a stream of samples into the excerpts behind consecutive blocks of video frames.

    Each is what `audio_excerpt` cuts from the whole recording, but only the samples around the
    block are kept.

    Args:
      blocks: iterable of [n] arrays, the recording in order.

    Yields:
      The excerpt of BLOCK_FRAMES frames, and how many of them lie in the recording.
    """
    blocks = iter(blocks)
    kept, first, frame = next(blocks), 0, 0  # kept[0] is the first sample of frame `first`
    while True:
        samples_behind = len(kept) - SAMPLES_PER_FRAME * (frame + BLOCK_FRAMES - first)
        if samples_behind < MARGIN_SAMPLES and (block := next(blocks, None)) is not None:
            kept = np.concatenate([kept, block])
            continue
        num_frames = num_video_frames(len(kept)) - (frame - first)
        if num_frames <= 0:
            return
        excerpt = audio_excerpt(kept, frame - first, BLOCK_FRAMES)
        yield excerpt, min(num_frames, BLOCK_FRAMES)
        frame += BLOCK_FRAMES
        drop = max(0, frame - LEAD_FRAMES) - first
        kept, first = kept[SAMPLES_PER_FRAME * drop :], first + drop


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


def _is_path(value):
    return isinstance(value, str | os.PathLike)


def _audio_blocks(audio):
    """int16 [n] blocks of a file or of an array, as the corpora store their sound."""
    if _is_path(audio):
        blocks = stream_audio(audio, BLOCK_FRAMES * SAMPLES_PER_FRAME)
        return (to_int16(block) for block in blocks)
    audio = np.asarray(audio)
    if audio.ndim != 1 or not (audio.dtype == np.int16 or np.issubdtype(audio.dtype, np.floating)):
        raise UserError(
            f"audio: found {audio.dtype}{list(audio.shape)}, expected int16 or float in [-1, 1], "
            f"[samples], mono at {SAMPLE_RATE_HZ} Hz"
        )
    if len(audio) < MIN_DURATION_S * SAMPLE_RATE_HZ:
        raise UserError(
            f"audio: found {len(audio)} samples, expected at least {MIN_DURATION_S} s at "
            f"{SAMPLE_RATE_HZ} Hz"
        )
    if not np.isfinite(audio).all():
        raise UserError("audio: found samples that are not finite, expected [-1, 1]")
    return (block for block in [audio if audio.dtype == np.int16 else to_int16(audio)])


def _motion_frames(motion, size):
    """uint8 [size, size, 3] frames of a motion source, one by one."""
    frames = read_video(motion) if _is_path(motion) else _checked_frames(motion, "motion", 4)
    return (portrait_crop(frame, size) for frame in frames)


def _checked_box(box, image_size):
    """A square in or around a picture, as four floats."""
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise UserError(f"box: found {box!r}, expected (x0, y0, x1, y1) in px")
    width, height = corners[2:] - corners[:2]
    if width < 1 or abs(width - height) > 0.01 * width:
        raise UserError(f"box: found {width:g} x {height:g} px, expected a square")
    if abs(corners).max() > 3 * max(image_size):
        raise UserError(
            f"box: found {box!r}, far beyond the picture of {image_size[1]} x {image_size[0]} px; "
            "expected a square around the face"
        )
    return tuple(corners.tolist())


def _checked_frames(frames, name, ndim):
    """An array of one or more frames as the caller gave it, checked."""
    frames = np.asarray(frames)
    expected = {3: "[H, W, 3]", 4: "[T, H, W, 3]"}[ndim]
    if frames.dtype != np.uint8 or frames.ndim != ndim or frames.shape[-1] != 3 or not len(frames):
        raise UserError(
            f"{name}: found {frames.dtype}{list(frames.shape)}, expected uint8 {expected}"
        )
    if min(frames.shape[-3:-1]) < MIN_SIDE_PX:
        raise UserError(f"{name}: found {list(frames.shape)}, expected at least {MIN_SIDE_PX} px")
    return frames
