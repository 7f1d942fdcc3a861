"""How well lips follow speech: LSE-D, LSE-C and the offset (Chung and Zisserman 2016).

Definitions of the public syncnet_python; the embeddings are those of `jaxtalk.nn.syncnet_cz`.
"""

import jax.numpy as jnp

MAX_OFFSET = 15  # frames


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
    """The three numbers of a clip.

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
