"""Resampling by its definition, in float64 numpy: insert zeros, pad, convolve, decimate."""

import numpy as np
import scipy.signal


def upfirdn(x, taps, *, up=1, down=1, padding=(0, 0)):
    """x [B, H, W, C], taps [L, M] -> [B, H', W', C]."""
    batch, height, width, channels = x.shape
    z = np.zeros((batch, height * up, width * up, channels))
    z[:, ::up, ::up] = x
    before, after = (max(p, 0) for p in padding)
    z = np.pad(z, ((0, 0), (before, after), (before, after), (0, 0)))
    first, last = (max(-p, 0) for p in padding)
    z = z[:, first : z.shape[1] - last, first : z.shape[2] - last]
    y = scipy.signal.convolve(z, np.asarray(taps)[None, :, :, None], mode="valid")
    return y[:, ::down, ::down]
