"""Whether the person stays the same: CSIM."""

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.intervals import ratio_of_means
from jaxtalk.metrics.signals import checked


def csim(embeddings, reference):
    """`csim/arcface`: cosine of face embeddings of each frame with that of the reference picture.

    StyleLipSync section 5.2, with ArcFace (Deng et al. 2019). Embeddings of another network are
    another protocol: the embedded corpus' own identity network gives `csim/procedural`.

    Args:
      embeddings: [T, D] of the frames, of any length.
      reference: [D].

    Returns:
      [T] in [-1, 1]; the mean over frames is the clip's value.

    Raises:
      UserError: sizes differ, or an embedding is zero.
    """
    reference = checked("reference", reference, ("D",), 1)
    embeddings = checked("embeddings", embeddings, ("T", len(reference)), 1)
    lengths = np.linalg.norm(embeddings, axis=-1) * np.linalg.norm(reference)
    if not lengths.all():
        raise UserError("embeddings: found a vector of zeros, expected a face's; leave it out")
    return np.clip(embeddings @ reference / lengths, -1.0, 1.0)


def csim_share(fake, real):
    """CSIM of generated clips as a share of that of real ones.

    Args:
      fake: [N], mean `csim` of each generated clip against its reference picture.
      real: [N], of the real clips' frames against the same pictures.

    Returns:
      float, ratio of the means; `jaxtalk.metrics.intervals.bootstrap` gives its interval.

    Raises:
      UserError: sizes differ, or the real mean is not positive.
    """
    real = checked("real", real, ("N",), 1)
    fake = checked("fake", fake, (len(real),), 1)
    if real.mean() <= 0:
        raise UserError(
            f"real: found a mean CSIM of {real.mean():.3f}, expected more than 0; the embeddings "
            "do not tell people apart"
        )
    return float(ratio_of_means(np.stack([fake, real], axis=-1)))


# Protocol -> function.
PROTOCOLS = {"csim/arcface": csim, "csim/procedural": csim}
