"""Resampling of images at given coordinates, and the random warps of equivariance losses.

Coordinates are (x, y), x to the right and y down, from -1 to 1 over the image. Two conventions
exist for what they mean, those of PyTorch's `grid_sample`: with `align_corners` -1 and 1 are the
centres of the first and last pixel, without it they are the outer edges of these pixels.
"""

import functools

import jax
import jax.numpy as jnp


def coordinate_grid(height, width):
    """(x, y) of the pixel centres under aligned corners, as float32 [height, width, 2]."""
    x, y = jnp.linspace(-1.0, 1.0, width), jnp.linspace(-1.0, 1.0, height)
    return jnp.stack(jnp.meshgrid(x, y), axis=-1)


def grid_sample(images, grid, *, align_corners=False, padding="zeros"):
    """Images at the coordinates of a grid, by bilinear interpolation.

    Matches `torch.nn.functional.grid_sample` of PyTorch; its `align_corners` has been False since
    version 1.3, and True before.

    Args:
      images: [B, H, W, C], any range.
      grid: [B, h, w, 2], (x, y) as above; may lie outside the image.
      align_corners: which convention, see above.
      padding: what lies around the image: "zeros", or its "reflection" at its border, which is
        that of the convention.

    Returns:
      [B, h, w, C] of the dtype of `images`; coordinates and weights are float32 or wider.

    Raises:
      ValueError: an unknown `padding`, or shapes that do not fit.
    """
    if images.ndim != 4 or grid.ndim != 4 or grid.shape[::3] != (images.shape[0], 2):
        raise ValueError(
            f"grid_sample: found {images.shape} and {grid.shape}, expected [B, H, W, C] and "
            "[B, h, w, 2]"
        )
    if padding not in ("zeros", "reflection"):
        raise ValueError(f"padding: found {padding!r}, expected 'zeros' or 'reflection'")
    batch, height, width, channels = images.shape
    grid = grid.astype(jnp.promote_types(grid.dtype, jnp.float32))

    def pixels(coordinate, size):
        if align_corners:
            position = (coordinate + 1) * ((size - 1) / 2)
        else:
            position = ((coordinate + 1) * size - 1) / 2
        return _reflect(position, size, align_corners) if padding == "reflection" else position

    x, y = pixels(grid[..., 0], width), pixels(grid[..., 1], height)
    left, top = jnp.floor(x), jnp.floor(y)
    right_share, bottom_share = x - left, y - top
    flat = images.reshape(batch, height * width, channels)

    def corner(dx, dy):
        column, row = left + dx, top + dy
        weight = right_share if dx else 1 - right_share
        weight = weight * (bottom_share if dy else 1 - bottom_share)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        weight = jnp.where(inside, weight, 0).reshape(batch, -1, 1)
        # Clipped as floats: what does not fit into an integer has no defined index.
        column = jnp.clip(column, 0, width - 1).astype(jnp.int32)
        row = jnp.clip(row, 0, height - 1).astype(jnp.int32)
        index = (row * width + column).reshape(batch, -1)
        values = jax.vmap(lambda image, i: image.at[i].get(mode="clip"))(flat, index)
        return weight * values

    sampled = corner(0, 0) + corner(1, 0) + corner(0, 1) + corner(1, 1)
    return sampled.astype(images.dtype).reshape(*grid.shape[:3], channels)


def _reflect(position, size, align_corners):
    """Folds pixel positions back into the image, at pixel centres or at outer edges."""
    if align_corners and size == 1:
        return jnp.zeros_like(position)
    low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
    distance = jnp.abs(position - low)
    remainder = jnp.mod(distance, 2 * span)
    folded = jnp.where(remainder > span, 2 * span - remainder, remainder) + low
    return jnp.clip(folded, 0, size - 1)


def draw_transform(rng, batch_size, *, sigma_affine=0.05, sigma_tps=0.005, num_points=5):
    """Random affine and thin-plate-spline transforms near the identity, one an example.

    First-order motion model (Siarohin et al. 2019), section 3.3.

    Args:
      rng: key.
      batch_size: B.
      sigma_affine: standard deviation of the six affine entries around the identity.
      sigma_tps: standard deviation of the spline's weights.
      num_points: P; the control points are a grid of P x P over [-1, 1].

    Returns:
      (affine [B, 2, 3], control [B, P * P]) float32.
    """
    affine_rng, control_rng = jax.random.split(rng)
    noise = jax.random.normal(affine_rng, (batch_size, 2, 3))
    control = jax.random.normal(control_rng, (batch_size, num_points**2))
    return jnp.eye(2, 3) + sigma_affine * noise, sigma_tps * control


def transform_coordinates(coordinates, affine, control):
    """Coordinates [B, N, 2] under a transform of `draw_transform`, likewise [B, N, 2].

    Matches the public first-order model: the affine map plus, in both axes alike, the sum over
    control points of weight * r^2 log(r + 1e-6), where r is the city-block distance.
    """
    num_points = round(control.shape[-1] ** 0.5)
    points = coordinate_grid(num_points, num_points).reshape(-1, 2)
    linear = jnp.einsum("bij,bnj->bni", affine[..., :2], coordinates, precision="highest")
    distance = jnp.abs(coordinates[:, :, None] - points).sum(axis=-1)  # [B, N, P * P]
    bump = distance**2 * jnp.log(distance + 1e-6)
    spline = jnp.einsum("bp,bnp->bn", control, bump, precision="highest")
    return linear + affine[:, None, :, 2] + spline[..., None]


def transform_jacobians(coordinates, affine, control):
    """Derivatives of `transform_coordinates` at coordinates [B, N, 2]: [B, N, 2 (out), 2 (in)]."""
    transform = functools.partial(transform_coordinates, affine=affine, control=control)

    def along(direction):
        tangent = jnp.broadcast_to(direction, coordinates.shape)
        return jax.jvp(transform, (coordinates,), (tangent,))[1]

    return jax.vmap(along, out_axes=-1)(jnp.eye(2, dtype=coordinates.dtype))


def transform_frames(frames, affine, control):
    """Frames [B, H, W, C] sampled at their transformed coordinates, reflected at the borders.

    Matches the public first-order model: the grid has aligned corners, the sampling has not.
    """
    batch, height, width, _ = frames.shape
    grid = jnp.broadcast_to(coordinate_grid(height, width), (batch, height, width, 2))
    grid = transform_coordinates(grid.reshape(batch, -1, 2), affine, control)
    return grid_sample(frames, grid.reshape(batch, height, width, 2), padding="reflection")
