"""How well lips follow speech: LSE-D, LSE-C and the offset (Chung and Zisserman 2016).

`lse/syncnet_v2`, by `offset_distances` and `lip_sync_error`, has the definitions of the public
syncnet_python; the embeddings are those of `jaxtalk.nn.syncnet_cz`. `lse/procedural`, by the other
functions, takes those of the contrastive `jaxtalk.nn.syncnet`, whose windows have 5 frames too.
"""

import jax.numpy as jnp
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.signals import checked

MAX_OFFSET = 15  # frames
WINDOW_FRAMES = 5  # 0.2 s
MIN_OVERLAP = 5  # windows that must remain at the largest offset


def offset_distances(lip, audio, *, max_offset=MAX_OFFSET):
    """Distances of each window of lips to the windows of speech around it.

    As in the public tool, 1e-6 is added to each difference, and speech before the first and after
    the last window counts as an embedding of zeros.

    Args:
      lip, audio: [..., T, D] embeddings of the same windows.
      max_offset: how far to look, in frames.

    Returns:
      [..., T, 2 max_offset + 1]; column k has the speech of window t + k - max_offset.
    """
    num_windows = lip.shape[-2]
    pad = [(0, 0)] * (audio.ndim - 2) + [(max_offset, max_offset), (0, 0)]
    padded = jnp.pad(audio, pad)
    columns = []
    for k in range(2 * max_offset + 1):
        difference = lip - padded[..., k : k + num_windows, :] + 1e-6
        columns.append(jnp.sqrt(jnp.sum(jnp.square(difference), -1)))
    return jnp.stack(columns, -1)


def lip_sync_error(distances):
    """`lse/syncnet_v2`: the three numbers of a clip.

    Scores clips of any length; the public tool leaves out tracks of less than 100 frames.

    Args:
      distances: [..., T, 2 max_offset + 1], see `offset_distances`.

    Returns:
      dict of [...]: `lse_d`, the smallest of the distances averaged over time; `lse_c`, their
      median less their smallest; `offset`, int32, the frames by which the lips lag (positive) or
      lead the speech.
    """
    mean = jnp.mean(distances, -2)
    best = jnp.argmin(mean, -1)
    smallest = jnp.min(mean, -1)
    return {
        "lse_d": smallest,
        "lse_c": jnp.median(mean, -1) - smallest,
        "offset": (distances.shape[-1] // 2 - best).astype(jnp.int32),
    }


def offset_similarities(lip, audio, *, max_offset=MAX_OFFSET):
    """Cosines of each window of lips with the windows of speech around it.

    Args:
      lip, audio: [T, D] embeddings of the same consecutive windows of a clip.
      max_offset: how far to look, in frames.

    Returns:
      float64 [T, 2 max_offset + 1]; column k has the speech of window t + k - max_offset, NaN where
      the clip has none.

    Raises:
      UserError: too short, shapes differ, an embedding of zeros.
    """
    lip = _unit("lip", lip, max_offset)
    audio = _unit("audio", audio, max_offset)
    if lip.shape != audio.shape:
        raise UserError(
            f"lip and audio: found embeddings {lip.shape} and {audio.shape}, expected the same "
            "number and size; embed the same windows"
        )
    padded = np.pad(audio, ((max_offset, max_offset), (0, 0)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * max_offset + 1, axis=0)
    return np.einsum("td,tdk->tk", lip, around)


def contrastive_lip_sync_error(similarities):
    """`lse/procedural`: `lip_sync_error` of embeddings on the unit sphere.

    Their distance is sqrt(2 - 2 cos). Unlike the public tool, an offset is averaged over the
    windows of lips that have speech there, so that short clips are not scored by their ends.

    Args:
      similarities: [T, 2 max_offset + 1], see `offset_similarities`.

    Returns:
      dict of floats: `lse_d`, `lse_c`, and `offset`, as `lip_sync_error` has them.
    """
    distances = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * similarities))
    scores = lip_sync_error(np.nanmean(distances, axis=0, keepdims=True))
    return {name: float(value) for name, value in scores.items()}


def offset_accuracy(lip, audio, *, clip_frames=50, tolerance=1, max_offset=MAX_OFFSET):
    """`sync-offset/procedural`: how often the true offset, 0, is found in 2 s.

    The clip is cut into pieces of `clip_frames`, each scored as a clip of its own: the offset whose
    mean cosine over the piece's windows is largest, among 2 max_offset + 1. Chance is
    (2 tolerance + 1) / (2 max_offset + 1), 9.7 % by default.

    Args:
      lip, audio: [T, D], see `offset_similarities`; T at least clip_frames - 4. Windows that do not
        fill a piece are left out.

    Returns:
      dict of floats: `offset_accuracy`, the share of pieces within `tolerance` frames of 0; the
      number of `pieces`; `chance`.
    """
    size = clip_frames - WINDOW_FRAMES + 1
    pieces = (len(lip) + WINDOW_FRAMES - 1) // clip_frames
    if not pieces:
        raise UserError(
            f"lip: found {len(lip)} windows, expected at least {size}, those of {clip_frames} "
            "frames; take a longer clip"
        )
    parts = [slice(clip_frames * i, clip_frames * i + size) for i in range(pieces)]
    scores = [
        np.nanmean(offset_similarities(lip[p], audio[p], max_offset=max_offset), axis=0)
        for p in parts
    ]
    offset = np.argmax(scores, axis=-1) - max_offset
    return {
        "offset_accuracy": float(np.mean(np.abs(offset) <= tolerance)),
        "pieces": float(pieces),
        "chance": (2 * tolerance + 1) / (2 * max_offset + 1),
    }


def window_recall(similarities):
    """`sync-recall/procedural`: how often a window's nearest speech is its own.

    Among the 2 max_offset + 1 windows of speech around it, for windows that have them all.

    Args:
      similarities: [T, 2 max_offset + 1], see `offset_similarities`.

    Returns:
      dict of floats: `recall_at_1` and `chance`.

    Raises:
      UserError: no window has them all.
    """
    whole = similarities[np.isfinite(similarities).all(axis=-1)]
    num_offsets = similarities.shape[-1]
    if not len(whole):
        raise UserError(
            f"similarities: found {len(similarities)} windows, expected at least {num_offsets}, so "
            "that one has speech at all offsets; take a longer clip"
        )
    recall = np.mean(whole.argmax(axis=-1) == num_offsets // 2)
    return {"recall_at_1": float(recall), "chance": 1 / num_offsets}


def _unit(name, embeddings, max_offset):
    embeddings = checked(name, embeddings, ("T", "D"), max_offset + MIN_OVERLAP)
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    if not length.all():
        raise UserError(f"{name}: found an embedding of zeros, expected a direction")
    return embeddings / length


# Protocol -> function; `lse/syncnet_v2` takes `offset_distances`.
PROTOCOLS = {
    "lse/syncnet_v2": lip_sync_error,
    "lse/procedural": contrastive_lip_sync_error,
    "sync-offset/procedural": offset_accuracy,
    "sync-recall/procedural": window_recall,
}
