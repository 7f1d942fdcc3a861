"""Which windows of a clip are compared with each other."""

import jax
import jax.numpy as jnp

RADIUS = 2  # T_s: a window has 2 * T_s + 1 = 5 frames, 0.2 s


def random_anchors(rng, num_clips, *, num_frames, num_anchors, min_gap):
    """Centre frames of windows inside each clip, in order and at least `min_gap` frames apart.

    One anchor falls in each of `num_anchors` equal segments, so all shifts up to the length of the
    clip occur and neighbours, the hardest negatives, are only a few frames off. Shifts below
    `min_gap` are left out: they show nearly the same mouth.

    Returns:
      int32 [num_clips, num_anchors] in [2, num_frames - 3].

    Raises:
      ValueError: the clip is too short.
    """
    segment = (num_frames - 2 * RADIUS) // num_anchors
    if segment < min_gap:
        raise ValueError(
            f"clip_frames: found {num_frames}, expected at least "
            f"{num_anchors * min_gap + 2 * RADIUS} for {num_anchors} anchors {min_gap} apart"
        )
    jitter = jax.random.randint(rng, (num_clips, num_anchors), 0, segment - min_gap + 1)
    return RADIUS + segment * jnp.arange(num_anchors) + jitter


def all_anchors(num_clips, *, num_frames):
    """Every frame with a whole window around it: int32 [num_clips, num_frames - 4]."""
    anchors = jnp.arange(RADIUS, num_frames - RADIUS)
    return jnp.broadcast_to(anchors, (num_clips, anchors.size))


def frame_windows(video, anchors):
    """[B, T, H, W, 3], [B, K] -> [B * K, 5, H, W, 3]: the frames around each anchor."""
    index = anchors[:, :, None] + jnp.arange(-RADIUS, RADIUS + 1)
    windows = jax.vmap(lambda clip, i: clip[i])(video, index)
    return windows.reshape(-1, *windows.shape[2:])


def mel_at(mel, anchors):
    """[B, T, 20, 80], [B, K] -> [B * K, 20, 80]: the mel window of each anchor."""
    windows = jax.vmap(lambda clip, i: clip[i])(mel, anchors)
    return windows.reshape(-1, *windows.shape[2:])


def offset_scores(*, video, audio, max_offset):
    """Mean cosine of a clip's windows at each shift of the audio.

    Args:
      video, audio: [B, N, D] of length 1, embeddings of consecutive windows.
      max_offset: frames, below N.

    Returns:
      [B, 2 * max_offset + 1]: entry i compares video t with audio t + i - max_offset, over the
      windows that overlap.
    """
    cosine = jnp.einsum("btd,bud->btu", video, audio)
    shifts = range(-max_offset, max_offset + 1)
    return jnp.stack(
        [jnp.diagonal(cosine, d, axis1=1, axis2=2).mean(axis=-1) for d in shifts], axis=-1
    )
