"""Name map of the Inception v3 of the Frechet distance (`pt_inception-2015-12-05`)."""

import functools

import jax
import jax.numpy as jnp

from jaxtalk.nn.inception import SIZE, Inception
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

UNUSED = ("fc.", "AuxLogits.")  # classifiers


def from_state_dict(state):
    """Variables of `jaxtalk.nn.inception.Inception` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict({n: a for n, a in state.items() if not n.startswith(UNUSED)}) as state:
        images = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
        layers = jax.eval_shape(Inception().init, jax.random.key(0), images)["params"]
        params, stats = {}, {}
        for layer in layers:
            name = layer.replace("_branch", ".branch")
            norm, norm_stats = state.batch_norm(f"{name}.bn")
            params[layer] = {"conv": state.conv(f"{name}.conv", bias=False), "bn": norm}
            stats[layer] = {"bn": norm_stats}
    return {"params": params, "batch_stats": stats}


# Layers whose maps the network does not join from branches.
_MAPS = ("Conv2d_1a_3x3", "Conv2d_2b_3x3", "Conv2d_4a_3x3")


def check(arrays, meta):
    """Features with and without resizing, of an image that shrinks, and the first maps."""
    variables = jax.device_put(from_state_dict(weight_rule.from_meta(meta)))
    noise = meta["f32_vs_f64"]
    images = parity.unit_images(arrays["img_u8_nhwc"])
    for variant in ("resize", "noresize"):
        module = Inception(resize=variant == "resize")
        features, state = jax.jit(functools.partial(module.apply, capture_intermediates=True))(
            variables, images
        )
        name = f"pool3_{variant}"
        yield parity.compare(name, features, arrays[name], noise[name])
        for layer in _MAPS:
            strides = meta["act_strides_channel_spatial_fullshape"][f"{variant}/{layer}"][:2]
            found = parity.nchw(state["intermediates"][layer]["__call__"][0], *strides)
            expected = arrays[f"act/{variant}/{layer}"]
            allowed = parity.like(noise[f"acts_{variant}"][layer], expected)
            yield parity.compare(f"{variant}/{layer}", found, expected, allowed)
    if "img_down_u8_nhwc" in arrays:
        images = parity.unit_images(arrays["img_down_u8_nhwc"])
        features = jax.jit(Inception().apply)(variables, images)
        name = "pool3_resize_down"
        yield parity.compare(name, features, arrays[name], noise[name])
