import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.face_model import split_coefficients
from jaxtalk.nn.resnet import Block
from jaxtalk.nn.resnet50 import FaceReconstructor
from jaxtalk.pretrained import resnet50
from tests import golden_files, gradients, random_variables, weight_rule

PARTS = {
    "identity": "id",
    "expression": "exp",
    "texture": "tex",
    "angles": "angle",
    "light": "gamma",
}


@pytest.fixture(scope="module")
def reference():
    arrays, meta = golden_files.load("resnet50_3dmm")
    return arrays, meta["f32_vs_f64"]["coeffs"], weight_rule.from_meta(meta)


def test_full_width_matches_reference(reference):
    """Both images, then the first again: examples must not mix."""
    arrays, noise, state = reference
    images = arrays["img_u8_nhwc"].astype(np.float32) / 255
    images = np.concatenate([images, images[:1]])
    module = FaceReconstructor()
    variables = jax.device_put(resnet50.from_state_dict(state))
    shapes = jax.eval_shape(module.init, jax.random.key(0), images)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, shapes)
    found = np.asarray(jax.jit(module.apply)(variables, images))
    expected = np.concatenate([arrays["coeffs257"], arrays["coeffs257"][:1]])
    found, expected = split_coefficients(found), split_coefficients(expected)
    for part, name in PARTS.items():
        golden_files.assert_close(getattr(found, part), getattr(expected, part), noise[name])
    # By the rule of its weights, the last coefficient is a thousand times as large as the others.
    for name, part in (("txty_heads", slice(0, 2)), ("tz_head", slice(2, 3))):
        pair = (x.translation[:, part] for x in (found, expected))
        golden_files.assert_close(*pair, noise[name])


def test_missing_and_unexpected_names(reference):
    state = reference[2]
    name = "backbone.layer3.5.bn3.bias"
    with pytest.raises(UserError, match=rf"'{name}' is missing"):
        resnet50.from_state_dict({n: a for n, a in state.items() if n != name})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'backbone.fc.weight'"):
        resnet50.from_state_dict({**state, "backbone.fc.weight": np.zeros(1)})


@pytest.mark.parametrize("bottleneck", [True, False])
def test_gradient_of_a_block(bottleneck):
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 4))
    block = Block(4, 2, bottleneck)
    variables = random_variables.draw(block, x, train=False)
    wide = block.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, x, train=False), x
    )


def test_other_images_are_refused():
    with pytest.raises(ValueError, match=r"images: found \(1, 224, 224, 1\)"):
        FaceReconstructor().init(jax.random.key(0), jnp.zeros((1, 224, 224, 1)))
