"""Names of the public StyleGAN2 generators -> variables of `jaxtalk.nn.stylegan2_generator`."""

import re

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan2_generator import Generator
from jaxtalk.pretrained import parity
from jaxtalk.pretrained.generator_arguments import COMMON, finish, fixed, take
from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict

_FIELDS = {**COMMON, "img_resolution": ("resolution", 4, 2048)}
_OF_TRAINING = ("num_fp16_res", "fp16_channels_last", "fused_modconv_default")


def fields(arguments):
    """The architecture of a public generator: fields of `Generator`, those of training left out.

    Args:
      arguments: the keyword arguments that it was made with, by the reference's names. Where those
        of the synthesis are a dict of their own, it is one of stylegan2-ada-pytorch, in which
        activations are bounded only where it says so, and whose w_avg_beta is another one.
        Converted from TensorFlow, it also has those that never differ.

    Raises:
      UserError: it has arguments or values for which there is no such generator.
    """
    rest = dict(arguments)
    of_ada = "synthesis_kwargs" in rest
    of_synthesis = rest.pop("synthesis_kwargs", {})
    if type(of_synthesis) is not dict:
        raise UserError(f"generator: synthesis_kwargs is {of_synthesis!r:.50}, expected a dict")
    rest = {name: a for name, a in {**rest, **of_synthesis}.items() if name not in _OF_TRAINING}
    if not of_ada:
        rest.setdefault("conv_clamp", 256)
    elif type(of_mapping := rest.get("mapping_kwargs", {})) is dict:
        rest["mapping_kwargs"] = {"w_avg_beta": 0.995, **of_mapping}
    fixed(rest, "architecture", "skip")
    fixed(rest, "activation", "lrelu")
    fixed(rest, "use_noise", True)
    fixed(rest, "resample_filter", [1, 3, 3, 1])
    found = take(rest, _FIELDS, Generator)
    resolution = found["resolution"]
    if resolution & (resolution - 1):
        raise UserError(f"generator: img_resolution is {resolution}, expected a power of two")
    finish(rest, "StyleGAN2")
    return found


def from_state_dict(state):
    """Variables of a `Generator`, from a public one of architecture "skip".

    Args:
      state: name -> array, names like "synthesis.b64.conv0.affine.weight". The resampling filters
        are not used: all are the same constant.

    Returns:
      {"params": ..., "moving": ...} of float32 arrays.

    Raises:
      UserError: an array is missing or superfluous.
    """
    matches = (re.match(r"synthesis\.b(\d+)\.torgb\.weight", name) for name in state)
    sizes = sorted({int(match[1]) for match in matches if match} | {4})
    with StateDict(state, ignore=("resample_filter",)) as source:
        params = {"mapping_network": mapping(source)}
        moving = {"w_avg": source.array("mapping.w_avg", 1)}
        for index, size in enumerate(sizes):
            name = f"synthesis.b{size}"
            block, drawn = {}, {}
            if size == 4:
                constant = source.array(f"{name}.const", 3).transpose(1, 2, 0)
                block["constant"] = np.ascontiguousarray(constant)
            for layer in ("conv0", "conv1")[size == 4 :]:
                block[layer] = {
                    **source.conv(f"{name}.{layer}"),
                    "affine": dense(source, f"{name}.{layer}.affine"),
                    "noise_strength": source.array(f"{name}.{layer}.noise_strength", 0),
                }
                drawn[layer] = {"noise": source.array(f"{name}.{layer}.noise_const", 2)}
            affine = dense(source, f"{name}.torgb.affine")
            block["to_rgb"] = {**source.conv(f"{name}.torgb"), "affine": affine}
            params[f"blocks_{index}"], moving[f"blocks_{index}"] = block, drawn
    return {"params": params, "moving": moving}


# Golden files have the noise of images alone; it is up to this in the maps of such networks.
_NOISE_OF_MAPS = 4e-6


def check(arrays, meta):
    """Truncated styles, the output of each resolution, images without and with noise."""
    gen, noise = Generator(**fields(meta["kwargs"])), meta["f32_vs_f64"]
    variables = from_state_dict(parity.state_dict(arrays))
    w = gen.apply(variables, arrays["z"], method="mapping")
    truncated = gen.apply(
        variables,
        arrays["z"],
        truncation_psi=meta["truncation_psi"],
        truncation_cutoff=meta["truncation_cutoff"],
        method="mapping",
    )
    columns = np.asarray(truncated)[:, meta["ws_truncated_columns"]]
    yield parity.compare("ws_truncated", columns, arrays["ws_truncated"], noise["w"])

    @jax.jit
    def synthesize(variables, ws):
        def images(**keywords):
            return gen.apply(variables, ws, method="synthesis", **keywords)

        return images(noise="none", capture_intermediates=True), images(noise="const")

    # Three styles at once also show that images do not mix.
    (plain, state), noisy = synthesize(variables, np.concatenate([arrays["ws"], truncated, w]))
    expected, stride = parity.thinned(arrays, "img_noise_none")
    found = parity.nchw(plain, 1, stride)[:1]
    yield parity.compare("image", found, expected, noise["img"])
    found, expected = parity.nchw(noisy, 1, 2)[:1], arrays["img_noise_const_stride2"]
    yield parity.compare("image with noise", found, expected, noise["img_noise_const"])
    found, expected = parity.nchw(plain, 1, 4)[1:2], arrays["img_from_z_truncated_stride4"]
    yield parity.compare("image truncated", found, expected, noise["img"])
    for layer, stride in meta["act_strides"].items():
        size, kind = layer.split("/")
        block = f"blocks_{int(size[1:]).bit_length() - 3}"
        x, image = state["intermediates"][block]["__call__"][0]
        found = parity.nchw(image if kind == "img" else x, 1, stride)[:1]
        expected = arrays[f"act/{layer}"]
        yield parity.compare(layer, found, expected, parity.like(_NOISE_OF_MAPS, expected))
