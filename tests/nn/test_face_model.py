import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io

from jaxtalk.core.errors import UserError
from jaxtalk.nn import face_model
from jaxtalk.pretrained import basel
from tests import golden_files, gradients
from tests.parity_checks import basel_fields, geometry


@pytest.fixture(scope="module")
def arrays():
    return golden_files.load("resnet50_3dmm")[0]


@pytest.fixture(scope="module")
def fields(arrays):
    return basel_fields(arrays)


def test_gradient_of_the_coefficients(arrays, fields):
    coefficients = arrays["geo/coeffs"][:2]
    function = functools.partial(geometry, basel.from_fields(fields))
    gradients.assert_of_input_matches_differences(
        lambda x: [function(x)[name] for name in ("landmarks68", "color")], coefficients
    )


def test_gradient_of_a_triangle_without_area_is_finite(fields):
    model = basel.from_fields(fields)
    points = jnp.zeros_like(model.mean_shape)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(face_model.vertex_normals(model, x))))(points)
    assert np.isfinite(gradient).all()


def test_other_coefficients_are_refused():
    with pytest.raises(ValueError, match=r"coefficients: found \(2, 256\), expected \[..., 257\]"):
        face_model.split_coefficients(jnp.zeros((2, 256)))


def test_reads_a_file(tmp_path, fields):
    path = tmp_path / "BFM_model_front.mat"
    others = {"skinmask": np.ones((1, 500)), "a": np.array([["text"]]), "b": {"c": 1}}
    for compressed in (False, True):
        scipy.io.savemat(path, {**fields, **others}, do_compression=compressed)
        model = basel.load(path)
        for found, expected in zip(model, basel.from_fields(fields)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"idBase": None}, r"'idBase' is missing"),
        ({"exBase": np.zeros((1500, 29))}, r"'exBase' is float64 \(1500, 29\), expected finite"),
        ({"meantex": np.full((1, 1500), np.nan)}, r"'meantex' is float64"),
        ({"keypoints": np.array([["a"] * 68])}, r"'keypoints' is <U1 \(1, 68\)"),
        ({"tri": np.zeros((9, 3), np.int32)}, r"'tri' has numbers from 0 to 0, expected 1 to 500"),
        ({"meanshape": np.zeros((1, 1499))}, r"'meanshape' has 1499 numbers"),
    ],
)
def test_other_fields_are_refused(fields, changes, message):
    changed = {key: value for key, value in {**fields, **changes}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        basel.from_fields(changed)


def test_files_of_another_kind_are_refused(tmp_path):
    broken = tmp_path / "broken.mat"
    broken.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    for path in (broken, tmp_path / "none.mat"):
        with pytest.raises(UserError, match=r"\.mat: .*; expected BFM_model_front\.mat") as error:
            basel.load(path)
        assert "\n" not in str(error.value)
