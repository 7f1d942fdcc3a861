"""Our networks against the numbers of the public PyTorch ones, which golden files hold.

A golden file is `<name>.npz` with the inputs, outputs and activations of a reference network in
float32 and PyTorch's layout, and `<name>.json` with how it was made, its weights or the rule for
them (`jaxtalk.pretrained.weight_rule`), and its own error against float64, the noise. Here, as in
the tests, a number may be off by `ALLOWED_NOISE` times that.
"""

import dataclasses
import json
import pathlib

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.pretrained import arcface, lpips, psp, stylegan3, weight_rule

ALLOWED_NOISE = 10


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Largest absolute error of a tensor, and what is allowed."""

    tensor: str
    error: float
    allowed: float

    @property
    def ratio(self):
        """At most 1 where the tensor agrees."""
        return self.error / self.allowed


def compare(tensor, found, expected, noise):
    """A `Comparison`; numbers that are missing or are none are infinitely wrong.

    Args:
      tensor: its name.
      found, expected: arrays.
      noise: the golden file's entry of `f32_vs_f64`, or the error of the reference as a number.
    """
    if isinstance(noise, dict):
        noise = noise["max_abs_over_rms"] * noise["rms_ref"]
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    error = np.inf
    if found.shape == expected.shape and np.isfinite(found).all():
        error = float(np.abs(found - expected).max())
    return Comparison(tensor, error, ALLOWED_NOISE * noise)


def load(folder, name):
    """(arrays, meta) of a golden file.

    Raises:
      UserError: it is not there.
    """
    file = pathlib.Path(folder) / f"{name}.npz"
    if not file.exists():
        raise UserError(f"--golden: found no {file}, expected a directory with golden files")
    with np.load(file, allow_pickle=False) as npz:
        return dict(npz), json.loads(file.with_suffix(".json").read_text())


def images(array):
    """uint8 -> float32 [-1, 1], as the references take them."""
    return array.astype(np.float32) / np.float32(127.5) - np.float32(1)


def state_dict(arrays):
    """The weights that a golden file holds."""
    return {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}


def table(results):
    """Golden name -> comparisons, as lines of text: the worst tensor of each."""
    lines = [f"{'name':28} {'worst tensor':28} {'error':>10} {'allowed':>10}"]
    for name, comparisons in results.items():
        worst = max(comparisons, key=lambda c: c.ratio)
        verdict = "" if worst.ratio <= 1 else "  WRONG"
        lines.append(
            f"{name:28} {worst.tensor:28} {worst.error:10.2e} {worst.allowed:10.2e}{verdict}"
        )
    return lines


def verify(kind, names, folder):
    """The `table` of a kind's golden files, as many of them as `folder` has.

    Raises:
      UserError: it has none of them, or a number is wrong.
    """
    there = [name for name in names if (pathlib.Path(folder) / f"{name}.npz").exists()]
    if not there:
        raise UserError(f"--golden: found none of {', '.join(names)} in {folder}")
    results = {name: list(CHECKS[name](*load(folder, name))) for name in there}
    wrong = [(name, c) for name in there for c in results[name] if not c.ratio <= 1]
    if wrong:
        name, worst = max(wrong, key=lambda item: item[1].ratio)
        raise UserError(
            f"{kind}: {len(wrong)} tensors are not those of the reference; {name}, {worst.tensor}: "
            f"found an error of {worst.error:.2e}, expected at most {worst.allowed:.2e}"
        )
    return table(results)


def _nchw(array):
    return np.asarray(array).transpose(0, 3, 1, 2)


def check_stylegan3(arrays, meta):
    """Style codes, truncated ones, every layer's output and the images."""
    generator = Generator(**stylegan3.fields(meta["kwargs"]))
    variables = stylegan3.from_state_dict(state_dict(arrays))
    noise, c = meta["f32_vs_f64"], arrays.get("c")

    def mapping(**values):
        return np.asarray(generator.apply(variables, arrays["z"], c, method="mapping", **values))

    w = mapping()
    expected = np.repeat(arrays["w_mapped_psi1"][:, None], meta["num_ws"], 1)
    yield compare("w", w, expected, noise["w_trunc"])
    truncated = mapping(
        truncation_psi=meta["truncation_psi"], truncation_cutoff=meta["truncation_cutoff"]
    )
    columns = truncated[:, meta["ws_truncated_columns"]]
    yield compare("w truncated", columns, arrays["ws_truncated"], noise["w_trunc"])

    synthesize = jax.jit(
        lambda variables, ws: generator.apply(
            variables, ws, method="synthesis", capture_intermediates=True
        )
    )
    # Two styles at once also show that images do not mix.
    result, state = synthesize(variables, np.concatenate([arrays["ws"], truncated]))
    yield compare("image", _nchw(result)[:1], arrays["img"], noise["img"])
    thin = _nchw(result)[1:, :, ::4, ::4]
    yield compare("image truncated", thin, arrays["img_from_z_truncated_stride4"], noise["img"])
    for index, (layer, stride) in enumerate(meta["act_strides"].items()):
        ours = "fourier_input" if layer == "input" else f"layers_{index - 1}"
        (found,) = state["intermediates"][ours]["__call__"]
        found = _nchw(found)[:1, :, ::stride, ::stride]
        yield compare(layer, found, arrays[f"act/{layer}"], noise["acts"][layer])


def check_psp(arrays, meta):
    """Codes and the backbone's and pyramid's maps; the towers of the styles run as one."""
    state = weight_rule.from_meta(meta)
    module, noise = Encoder(**psp.fields(state)), meta["f32_vs_f64"]
    variables = jax.device_put(psp.from_state_dict(state))
    image = images(arrays["img_u8_nhwc"])
    # With another image between two of the same: examples must not mix.
    batch = np.concatenate([image, image[:, ::-1], image]) if module.use_se else image

    @jax.jit
    def forward(variables, batch):
        codes, state = module.apply(
            variables, batch, capture_intermediates=True, mutable="intermediates"
        )
        return codes, state["intermediates"]

    codes, maps = forward(variables, batch)
    for i in range(0, len(batch), 2):
        yield compare(f"codes {i}", codes[i : i + 1], arrays["out"], noise["out"])
    special = {
        "input_layer": ("backbone", "stem_prelu"),
        "latlayer1": ("lateral1",),
        "latlayer2": ("lateral2",),
    }
    for layer, (cs, s) in meta["act_strides_channel_spatial"].items():
        if not layer.startswith("styles."):
            value = maps
            for key in special.get(layer, ("backbone", layer.replace("body.", "block_"))):
                value = value[key]
            value = _nchw(value["__call__"][0])[:1, ::cs, ::s, ::s]
            yield compare(layer, value, arrays[f"act/{layer}"], noise["acts"][layer])


def check_arcface(arrays, meta):
    """The crop of the face, and embeddings in a batch and alone."""
    crops = face_crop(images(arrays["img_u8_nhwc"]), 112)
    yield compare("crop", _nchw(crops)[:, :, ::2, ::2], arrays["cropped_stride2"], 5e-8)
    variables = jax.device_put(arcface.from_state_dict(weight_rule.from_meta(meta)))
    forward = jax.jit(IRSE50().apply)
    for count in (len(crops), 1):
        found, expected = forward(variables, crops[:count]), arrays["embedding"][:count]
        yield compare(f"embedding of {count}", found, expected, meta["f32_vs_f64"])


def check_lpips(arrays, meta):
    """Distances in a batch and alone, and the features of each layer."""
    shapes = {n: shape for n, (shape, *_) in meta["state"].items() if n.startswith("net.")}
    rule = meta["weight_rule"]
    state = weight_rule.weights(shapes, rule["seed"], rule["gain"])
    # Float64 sums stand in for a checksum.
    sums = [[a.sum(dtype=np.float64), meta["state"][name][2]] for name, a in state.items()]
    yield compare("sums of the weights", *np.transpose(sums), 1e-5)
    for i in range(5):
        state[f"lin{i}.model.1.weight"] = arrays[f"lin{i}"].reshape(1, -1, 1, 1)
    variables = lpips.from_state_dict(state)
    a, b = images(arrays["a_u8"]), images(arrays["b_u8"])
    distance = jax.jit(LPIPS().apply)
    for count in (len(a), 1):
        found, expected = distance(variables, a[:count], b[:count]), arrays["dist"][:count]
        yield compare(f"distance of {count}", found, expected, meta["f32_vs_f64"])
    features = LPIPS().apply(variables, a[:1], method="features")
    for name, feature in zip(("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"), features):
        expected, full = arrays[f"feat/{name}"], _nchw(feature)
        cs, s = full.shape[1] // expected.shape[1], full.shape[2] // expected.shape[2]
        noise = 1e-6 * float(np.sqrt(np.mean(expected**2)))
        yield compare(name, full[:, ::cs, ::s, ::s], expected, noise)


CHECKS = {
    "lpips_vgg": check_lpips,
    "psp_arcface_irse50_112": check_arcface,
    "psp_gradual_irse50_n16": check_psp,
    "psp_gradual_ir50_n18": check_psp,
    "sg3_t256_cb1024_cm16": check_stylegan3,
    "sg3_r256_cb1024_cm16": check_stylegan3,
    "sg3_t256_cb2048_cm32": check_stylegan3,
    "sg3_r256_cb2048_cm32": check_stylegan3,
}
