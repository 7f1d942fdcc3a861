"""Losses on audio and video embeddings of a SyncNet, in float32."""

import jax
import jax.numpy as jnp


def cosine_similarity(*, video, audio):
    """Cosine of paired embeddings: two [..., D] -> [...]."""
    video, audio = _normalised(video), _normalised(audio)
    return jnp.sum(video * audio, axis=-1)


def info_nce(*, video, audio, temperature):
    """InfoNCE in both directions, StyleTalker eq. 3 and 4.

    Eq. 4 is printed without the exponential; this is the softmax cross-entropy over
    cos / temperature that the cited work defines. Row k's positive is column k and its negatives
    are all other columns: the caller puts the time shifts of a clip and the other clips of the
    batch on the same axis. Under `jit` with a sharded batch that axis is the global one.

    Args:
      video: [M, D] embeddings.
      audio: [M, D] embeddings, in sync with `video` row by row.
      temperature: tau of eq. 3.

    Returns:
      [M]: mean of the video -> audio and the audio -> video cross-entropy.
    """
    logits = _similarity(video, audio) / temperature
    rows = -jnp.diagonal(jax.nn.log_softmax(logits, axis=1))
    columns = -jnp.diagonal(jax.nn.log_softmax(logits, axis=0))
    return 0.5 * (rows + columns)


def recall_at_1(*, video, audio):
    """Whether each video's nearest audio is its own: two [M, D] -> [M] of 0 or 1; chance is 1/M."""
    similarity = _similarity(video, audio)
    return (similarity.argmax(axis=1) == jnp.arange(similarity.shape[0])).astype(jnp.float32)


def sync_loss(*, video, audio):
    """1 - cos, StyleTalker eq. 16: two [..., D] -> [...] in [0, 2]."""
    return 1.0 - cosine_similarity(video=video, audio=audio)


def _similarity(video, audio):
    """Cosine of all pairs: [M, D], [N, D] -> [M, N]."""
    return jnp.matmul(_normalised(video), _normalised(audio).T, precision=jax.lax.Precision.HIGHEST)


def _normalised(x):
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)
