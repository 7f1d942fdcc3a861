import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.inception import Inception
from jaxtalk.pretrained import inception
from tests import gradients, random_variables


@pytest.fixture(scope="module")
def small():
    module = Inception(width_divisor=16, resize=False)
    images = np.random.default_rng(0).uniform(0, 1, (3, 75, 80, 3)).astype(np.float32)
    return module, random_variables.draw(module, images), images


def test_gradient_of_the_images(small):
    module, variables, images = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_other_images_are_refused(small):
    module, variables, images = small
    with pytest.raises(ValueError, match=r"images: found \(3, 74, 80, 3\), expected at least 75"):
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
