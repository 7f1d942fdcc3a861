import jax
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.inception import Inception
from jaxtalk.pretrained import inception
from tests import random_variables


@pytest.fixture(scope="module")
def small():
    module = Inception(width_divisor=16, resize=False)
    images = np.random.default_rng(0).uniform(0, 1, (2, 75, 80, 3)).astype(np.float32)
    return module, random_variables.draw(module, images), images


def test_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    features, swapped = forward(variables, images), forward(variables, images[::-1])
    assert features.shape == (2, 2048 // 16)
    np.testing.assert_allclose(features, swapped[::-1], rtol=1e-4, atol=1e-5)


def test_other_images_are_refused(small):
    module, variables, images = small
    with pytest.raises(ValueError, match=r"images: found \(2, 74, 80, 3\), expected at least 75"):
        module.apply(variables, images[:, 1:])
    with pytest.raises(ValueError, match=r"expected \[B, H, W, 3\]"):
        module.apply(variables, images[0])


def test_missing_and_unexpected_names(small):
    _, variables, _ = small
    state = {"fc.weight": np.zeros((2, 2))}
    for layer, norm in variables["params"].items():
        name = layer.replace("_branch", ".branch")
        state[f"{name}.conv.weight"] = np.zeros((1, 1, 1, 1))
        for key in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{key}"] = np.zeros_like(norm["bn"]["scale"])
    assert inception.from_state_dict(state)["params"].keys() == variables["params"].keys()
    with pytest.raises(UserError, match=r"1 unexpected \('Mixed_8a"):
        inception.from_state_dict({**state, "Mixed_8a.conv.weight": np.zeros(1)})
    del state["Mixed_7c.branch_pool.conv.weight"]
    with pytest.raises(UserError, match=r"1 missing \('Mixed_7c.branch_pool.conv.weight'\)"):
        inception.from_state_dict(state)
