import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.iresnet import DEPTHS, IResNet
from jaxtalk.pretrained import iresnet
from tests import golden_files, gradients, random_variables, weight_rule


@pytest.fixture(scope="module")
def small():
    module = IResNet(num_layers=18, width=2, embedding_dim=8, image_size=32)
    images = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3), minval=-1)
    return module, random_variables.draw(module, images), images


@pytest.mark.parametrize("num_layers", [50, 100])
def test_full_width_matches_reference(num_layers):
    arrays, meta = golden_files.load(f"arcface_iresnet{num_layers}")
    variables = jax.device_put(iresnet.from_state_dict(weight_rule.from_meta(meta)))
    module = IResNet(num_layers)
    expected = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 112, 112, 3)))
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    images = golden_files.images(arrays["img_u8_nhwc"])
    embedding, state = jax.jit(
        lambda variables, images: module.apply(variables, images, capture_intermediates=True)
    )(variables, images)
    golden_files.assert_close(embedding, arrays["embedding"], meta["f32_vs_f64"])
    unit = np.asarray(embedding) / np.linalg.norm(embedding, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, meta["csim"], atol=1e-5)
    for stage, depth in enumerate(DEPTHS[num_layers]):
        if (name := f"act/layer{stage + 1}") in arrays:
            (x,) = state["intermediates"][f"block_{stage}_{depth - 1}"]["__call__"]
            _, height, width, channels = x.shape
            thin = np.asarray(x)[:, :: height // 7, :: width // 7, :: channels // 16]
            expected = arrays[name]
            # The file has the noise of the embedding alone; that of the maps is not larger.
            noise = {**meta["f32_vs_f64"], "rms_ref": np.sqrt(np.mean(expected**2))}
            golden_files.assert_close(thin.transpose(0, 3, 1, 2), expected, noise)


def test_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    alone = forward(variables, images[1:2])
    np.testing.assert_allclose(alone, forward(variables, images)[1:2], rtol=1e-5, atol=1e-5)


def test_gradient_of_the_images(small):
    module, variables, images = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_other_sizes_are_refused(small):
    module, variables, _ = small
    with pytest.raises(ValueError, match=r"images: found \(1, 56, 56, 3\)"):
        module.apply(variables, jnp.zeros((1, 56, 56, 3)))
    with pytest.raises(ValueError, match="num_layers: found 51"):
        IResNet(51).init(jax.random.key(0), jnp.zeros((1, 112, 112, 3)))


def test_missing_and_unexpected_names():
    with pytest.raises(UserError, match=r"'conv1.weight' is missing"):
        iresnet.from_state_dict({"extra": np.zeros(1)})
    state = {
        name: np.zeros([size // 16 if size >= 64 else size for size in shape])
        for name, (shape, *_) in golden_files.load("arcface_iresnet50")[1]["state"][
            "tensors_[shape,dtype,sum]"
        ].items()
    }
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'layer3.2.conv1"):
        iresnet.from_state_dict({**state, "layer3.2.conv1.bias.weight": np.zeros(1)})
    state.pop("layer3.2.conv2.weight")
    with pytest.raises(UserError, match=r"'layer3.2.conv2.weight' is missing"):
        iresnet.from_state_dict(state)
