"""Key points with local affine maps, found without supervision (Siarohin et al. 2019, sec. 3.1)."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.hourglass import Hourglass, conv
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.ops.warp import coordinate_grid


class Keypoints(NamedTuple):
    """Key points and what the motion does around them.

    Attributes:
      position: [B, K, 2], (x, y) in [-1, 1].
      jacobian: [B, K, 2, 2], from the reference frame's neighbourhood to that of the image.
    """

    position: Any
    jacobian: Any


def identity_bias(rng, shape, dtype=jnp.float32):
    """Initialiser of the Jacobians' biases: an identity matrix for each key point."""
    del rng
    return jnp.asarray(np.resize([1.0, 0.0, 0.0, 1.0], shape), dtype)


class KeypointDetector(nn.Module):
    """The first-order model's key-point detector; the defaults are those of "vox-256".

    Matches the public `KPDetector`: an hourglass over the image at a quarter of its size, a heat
    map for each key point by softmax over the image, the mean position under it, and the Jacobian
    averaged under it.

    Attributes:
      num_keypoints: K.
      width, max_width, num_blocks: of the hourglass.
      temperature: divisor of the heat maps' logits.
      downscale: whole factor by which images are reduced first.
      dtype: of the hourglass; heat maps and what follows are float32 or wider.

    Deviation: convolution biases start at zero; the public code draws them.

    Raises:
      ValueError: height or width is no multiple of downscale * 2 ** num_blocks.
    """

    num_keypoints: int = 10
    width: int = 32
    max_width: int = 1024
    num_blocks: int = 5
    temperature: float = 0.1
    downscale: int = 4
    dtype: Any = jnp.float32

    def setup(self):
        self.hourglass = Hourglass(self.width, self.max_width, self.num_blocks, self.dtype)
        self.heatmap = conv(self.num_keypoints, 7, self.dtype, padding="VALID")
        self.jacobian = nn.Conv(
            4 * self.num_keypoints,
            (7, 7),
            padding="VALID",
            kernel_init=nn.initializers.zeros,
            bias_init=identity_bias,
            dtype=self.dtype,
        )

    def features(self, images, *, train=False):
        """Images [B, H, W, 3] in [0, 1] -> [B, H / 4, W / 4, width + 3], the hourglass's output."""
        return self.hourglass(gaussian_downsample(images, self.downscale), train=train)

    def __call__(self, images, *, train=False):
        """Images [B, H, W, 3] in [0, 1] -> float32 `Keypoints`."""
        features = self.features(images, train=train)
        logits = self.heatmap(features)
        batch, height, width, count = logits.shape
        wide = jnp.promote_types(self.dtype, jnp.float32)
        logits = logits.astype(wide).reshape(batch, -1, count)
        # Weighted means as products and sums: XLA's matrix product on a CPU adds thousands of terms
        # one by one, with ten times the rounding error.
        heatmap = nn.softmax(logits / self.temperature, axis=1)[..., None]  # [B, N, K, 1]
        grid = coordinate_grid(height, width).reshape(-1, 1, 2)
        maps = self.jacobian(features).astype(wide).reshape(batch, -1, count, 4)
        jacobian = jnp.sum(heatmap * maps, axis=1).reshape(batch, count, 2, 2)
        return Keypoints(jnp.sum(heatmap * grid, axis=1), jacobian)
