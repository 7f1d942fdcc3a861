"""Equivariance of key points (Siarohin et al. 2019, sec. 3.3), in float32 or wider.

Key points that are found in a transformed frame, moved by the transform, are those of the frame
itself. `affine` and `control` are of `jaxtalk.ops.warp.draw_transform`; the transformed frame is
that of `jaxtalk.ops.warp.transform_frames`. Both losses have the weight 10 in the reference.
"""

import jax.numpy as jnp

from jaxtalk.nn.first_order import inverse_2x2
from jaxtalk.ops.warp import transform_coordinates, transform_jacobians


def position_equivariance(*, keypoints, transformed, affine, control):
    """Mean absolute difference of positions.

    Args:
      keypoints, transformed: `Keypoints` of the frames and of the transformed frames, B x K.
      affine, control: see the module.

    Returns:
      [B], float32 for float32 key points.
    """
    moved = transform_coordinates(transformed.position, affine, control)
    return _per_example(keypoints.position - moved)


def jacobian_equivariance(*, keypoints, transformed, affine, control):
    """Mean absolute difference of the identity and J^-1 (dT/dx) J_t.

    J is the Jacobian of a key point, J_t that of the point p_t in the transformed frame, and dT/dx
    the transform's own at p_t.

    Args, Returns: as `position_equivariance`.
    """
    of_transform = transform_jacobians(transformed.position, affine, control)
    moved = jnp.matmul(of_transform, transformed.jacobian, precision="highest")
    product = jnp.matmul(inverse_2x2(keypoints.jacobian), moved, precision="highest")
    return _per_example(jnp.eye(2) - product)


def _per_example(difference):
    """[B, ...] -> [B], mean absolute value."""
    wide = jnp.promote_types(difference.dtype, jnp.float32)
    return jnp.mean(jnp.abs(difference), axis=range(1, difference.ndim), dtype=wide)
