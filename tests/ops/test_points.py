"""Points under heat maps, and points painted."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.ops.points import draw_points, expected_position


def test_expected_position_of_a_peak_is_the_centre_of_its_cell():
    logits = np.full((1, 8, 4, 2), -100.0, np.float32)
    logits[0, 0, 3, 0] = 100.0  # top row, last column
    logits[0, 7, 0, 1] = 100.0
    expected = [[[0.75, -0.875], [-0.75, 0.875]]]
    np.testing.assert_allclose(expected_position(jnp.asarray(logits)), expected, atol=1e-6)


def test_expected_position_interpolates_between_cells():
    logits = np.full((1, 2, 2, 1), -100.0, np.float32)
    logits[0, 0, 0, 0], logits[0, 0, 1, 0] = np.log(0.25), np.log(0.75)
    np.testing.assert_allclose(
        expected_position(jnp.asarray(logits))[0, 0], [0.25, -0.5], atol=1e-6
    )


def test_a_drawn_point_is_found_where_expected_position_sees_it():
    points = jnp.asarray([[[0.40625, -0.59375]]])  # the centre of pixel (22, 6) of 32
    picture = draw_points(jnp.full((1, 32, 32, 3), -1.0), points, color=(1, 1, 1))
    assert np.unravel_index(picture[0, ..., 0].argmax(), (32, 32)) == (6, 22)
    found = expected_position(50 * picture[..., :1])
    np.testing.assert_allclose(found, points, atol=1e-3)
