import jax
import numpy as np
import pytest

from jaxtalk.nn.lpips import LPIPS, SCALE, SHIFT
from jaxtalk.pretrained import lpips
from tests import golden_files, weight_rule

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


@pytest.fixture(scope="module")
def reference():
    """(arrays, meta, variables) of the golden file: a trunk by rule, the public linear weights."""
    arrays, meta = golden_files.load("lpips_vgg")
    shapes = {n: shape for n, (shape, *_) in meta["state"].items() if n.startswith("net.")}
    rule = meta["weight_rule"]
    state = weight_rule.weights(shapes, rule["seed"], rule["gain"])
    for name, value in state.items():  # float64 sums stand in for a checksum
        assert value.sum(dtype=np.float64) == pytest.approx(meta["state"][name][2], abs=1e-4)
    for i in range(5):
        state[f"lin{i}.model.1.weight"] = arrays[f"lin{i}"].reshape(1, -1, 1, 1)
    return arrays, meta, lpips.from_state_dict(state)


@pytest.fixture(scope="module")
def narrow():
    module = LPIPS(width=2)
    x, y = jax.random.uniform(jax.random.key(0), (2, 3, 16, 16, 3), minval=-1)
    rng = jax.random.key(1, impl="rbg")
    return module, jax.jit(module.init)(rng, x, y), x, y


@pytest.mark.parametrize("batch", [1, 3])
def test_full_width_matches_reference(reference, batch):
    arrays, meta, variables = reference
    a, b = (golden_files.images(arrays[key][:batch]) for key in ("a_u8", "b_u8"))
    distance = jax.jit(LPIPS().apply)(variables, a, b)
    golden_files.assert_close(distance, arrays["dist"][:batch], meta["f32_vs_f64"])


def test_features_of_each_layer_match_reference(reference):
    arrays, _, variables = reference
    images = golden_files.images(arrays["a_u8"][:1])
    features = LPIPS().apply(variables, images, method="features")
    for name, feature in zip(LAYERS, features):
        expected = arrays[f"feat/{name}"]
        full = np.asarray(feature).transpose(0, 3, 1, 2)
        cs, s = full.shape[1] // expected.shape[1], full.shape[2] // expected.shape[2]
        noise = {"max_abs_over_rms": 1e-6, "rms_ref": np.sqrt(np.mean(expected**2))}
        golden_files.assert_close(full[:, ::cs, ::s, ::s], expected, noise)


def test_constants_of_the_reference(reference):
    meta = reference[1]
    assert list(SHIFT) == meta["shift"] and list(SCALE) == meta["scale"]


def test_it_is_a_distance(narrow):
    module, variables, x, y = narrow
    distance = jax.jit(module.apply)
    assert distance(variables, x, y).shape == (3,)
    assert np.all(distance(variables, x, y) > 0)
    np.testing.assert_allclose(distance(variables, x, y), distance(variables, y, x), rtol=1e-6)
    np.testing.assert_allclose(distance(variables, x, x), 0, atol=1e-9)


def test_weights_start_as_the_mean_over_channels_and_cannot_turn_negative(narrow):
    module, variables, x, y = narrow
    params = dict(variables["params"])
    for i, channels in enumerate((2, 4, 8, 16, 16)):
        np.testing.assert_array_equal(params[f"weight_{i}"], np.full(channels, 1 / channels))
        params[f"weight_{i}"] = -params[f"weight_{i}"]
    distance = jax.jit(module.apply)
    np.testing.assert_array_equal(distance({"params": params}, x, y), distance(variables, x, y))


@pytest.mark.parametrize("case", ["different", "equal", "dead trunk"])
def test_gradient_is_finite(narrow, case):
    """A narrow trunk often has pixels where all channels are 0: the unit vectors' hard case."""
    module, variables, x, y = narrow
    if case == "dead trunk":
        bias = variables["params"]["trunk"]["conv1_2"]["bias"]
        trunk = dict(variables["params"]["trunk"])
        trunk["conv1_2"] = {**trunk["conv1_2"], "bias": bias - 100.0}
        variables = {"params": {**variables["params"], "trunk": trunk}}

    def loss(y):
        return module.apply(variables, x, y).sum()

    grad = jax.jit(jax.grad(loss))(x if case == "equal" else y)
    assert np.isfinite(grad).all()
    assert (np.abs(grad).max() > 1e-5) == (case == "different")


def test_small_or_unequal_images_are_refused(narrow):
    module, variables, x, _ = narrow
    with pytest.raises(ValueError, match="at least 16 pixels"):
        module.apply(variables, x[:, :8], x[:, :8])
    with pytest.raises(ValueError, match="two equal shapes"):
        module.apply(variables, x, x[:1])
