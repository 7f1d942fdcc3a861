"""Talking-head generation as a stream: fixed blocks of frames, joined by a carry.

A block of N frames goes in (mel windows, and style codes of a motion source if there is one); N
frames of style codes come out, `lookahead(config)` frames late, because the smoothing looks that
far ahead. So the first `lookahead` frames of the first block lie before the clip and are thrown
away, and after the last frame the caller goes on giving blocks (their content does not matter)
until it has all. `num_frames` tells a block where the clip ends; while the end is not in sight,
give UNKNOWN_LENGTH. Then the stream equals the whole clip in one piece, its ends included.
`stream` does all of this for chunks of any size.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.systems.styletalker.block import CONV_TAPS
from jaxtalk.systems.styletalker.model import make_model

UNKNOWN_LENGTH = 2**30


@struct.dataclass
class Carry:
    """State between two blocks.

    w_ref: [B, num_ws, D], code of the reference image. frame: int32 [], index of the next frame to
    go in. blocks: state of the model's blocks.
    """

    w_ref: jax.Array
    frame: jax.Array
    blocks: tuple


def lookahead(config):
    """Frames by which the output lags behind the input."""
    return config.model.block.smoothing_radius + CONV_TAPS // 2


def init_carry(config, w_ref):
    """State before the first frame, for the reference codes w_ref [B, num_ws, D]."""
    batch_size, _, w_dim = w_ref.shape
    blocks = make_model(config.model).apply({}, batch_size, w_dim, method="initial_carry")
    return Carry(jnp.asarray(w_ref, jnp.float32), jnp.zeros((), jnp.int32), blocks)


def generate_block(config, variables, inputs, carry, rng, *, temperature=1.0):
    """Style codes of the next block; pure, to be jitted once for a block size.

    Args:
      config: values of the styletalker stage.
      variables: of the network "styletalker".
      inputs: `mel` [B, N, 20, 80]; `num_frames` int32 [], length of the clip or UNKNOWN_LENGTH;
        optionally `motion_w` [B, N, num_ws, D], codes of the motion source (eq. 18); without it
        the motion comes from the prior (eq. 19). A clip keeps to one of the two.
      carry: of `init_carry` or of the block before.
      rng: key of the clip, the same for all its blocks; noise is drawn by frame index.
      temperature: factor of the noise; 0 takes the most likely motion at each frame.

    Returns:
      w_hat [B, N, num_ws, D] of the frames carry.frame - lookahead and on, and the next carry.
    """
    mel = inputs["mel"]
    w_hat, blocks = make_model(config.model).apply(
        variables,
        carry.w_ref,
        inputs.get("motion_w"),
        mel,
        rng,
        carry.blocks,
        carry.frame,
        inputs["num_frames"],
        temperature,
        method="generate",
    )
    return w_hat, Carry(carry.w_ref, carry.frame + mel.shape[1], blocks)


def generate_clip(config, variables, w_ref, mel, rng, *, motion_w=None, temperature=1.0):
    """Style codes of whole clips in one block.

    Args:
      config, variables, rng, temperature: see `generate_block`.
      w_ref: [B, num_ws, D].
      mel: [B, T, 20, 80].
      motion_w: [B, T, num_ws, D] or None.

    Returns:
      w_hat [B, T, num_ws, D].
    """
    num_frames, ahead = mel.shape[1], lookahead(config)

    def padded(x):
        return jnp.pad(x, ((0, 0), (0, ahead), *((0, 0),) * (x.ndim - 2)))

    inputs = {"mel": padded(mel), "num_frames": num_frames}
    if motion_w is not None:
        inputs["motion_w"] = padded(motion_w)
    carry = init_carry(config, w_ref)
    w_hat, _ = generate_block(config, variables, inputs, carry, rng, temperature=temperature)
    return w_hat[:, ahead:]


def synthesize(config, generator_variables, w):
    """Frames of style codes: [..., num_ws, D] -> float32 [..., H, W, 3], about [-1, 1]."""
    model = config.model
    generator = Generator(**model.generator, dtype=jnp.dtype(model.dtype))
    images = generator.apply(
        generator_variables, w.reshape(-1, *w.shape[-2:]), method="synthesis"
    ).astype(jnp.float32)
    return images.reshape(*w.shape[:-2], *images.shape[1:])


def stream(block_fn, chunks, carry, *, block_frames, lookahead):
    """Runs chunks of any size through blocks of one size.

    Args:
      block_fn: (inputs, carry) -> (array [B, N, ...], carry): `generate_block` with its other
        arguments bound, or that followed by `synthesize`.
      chunks: iterable of dicts of numpy arrays [B, n, ...], as `inputs` without `num_frames`.
      carry: of `init_carry`.
      block_frames: N.
      lookahead: of `lookahead(config)`.

    Yields:
      Consecutive pieces of block_fn's array, in all as many frames as the chunks have. They do
      not depend on how the input is cut into chunks.
    """
    pending, taken, frame = None, 0, 0

    def run(inputs, num_frames):
        nonlocal carry, frame
        out, carry = block_fn({**inputs, "num_frames": np.int32(num_frames)}, carry)
        first = frame - lookahead
        frame += block_frames
        return out[:, max(0, -first) : max(0, num_frames - first)]

    for chunk in chunks:
        taken += chunk["mel"].shape[1]
        pending = chunk if pending is None else _concatenate(pending, chunk)
        while pending["mel"].shape[1] >= block_frames:
            block = {k: v[:, :block_frames] for k, v in pending.items()}
            pending = {k: v[:, block_frames:] for k, v in pending.items()}
            piece = run(block, UNKNOWN_LENGTH)
            if piece.shape[1]:
                yield piece
    while taken and frame - lookahead < taken:
        missing = block_frames - pending["mel"].shape[1]
        block = {k: _pad(v, missing) for k, v in pending.items()}
        pending = {k: v[:, :0] for k, v in pending.items()}
        piece = run(block, taken)
        if piece.shape[1]:
            yield piece


def _concatenate(a, b):
    return {k: np.concatenate([a[k], b[k]], axis=1) for k in a}


def _pad(x, missing):
    return np.concatenate([x, np.zeros((x.shape[0], missing, *x.shape[2:]), x.dtype)], axis=1)
