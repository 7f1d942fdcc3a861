"""Checks against golden files of what has no public weights to convert; see `tests.test_parity`.

Each is a function of (arrays, meta) of a golden file that yields comparisons of
`jaxtalk.pretrained.parity`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses.contrastive import info_nce, recall_at_1
from jaxtalk.losses.kl import normal_log_density
from jaxtalk.nn.flow import AffineCoupling
from jaxtalk.nn.lstm import LSTM
from jaxtalk.nn.stylegan2 import Discriminator
from jaxtalk.ops import mel
from jaxtalk.pretrained import parity
from jaxtalk.pretrained.parity import compare
from jaxtalk.pretrained.stylegan2 import discriminator_from_state_dict
from jaxtalk.systems.styletalker.block import Smoothing, gaussian_kernel


def check_stylegan2_discriminator(arrays, meta):
    """Logits of a batch of four, which is one group of the minibatch standard deviation."""
    values = {key: meta["kwargs"][key] for key in ("c_dim", "channel_base", "channel_max")}
    disc = Discriminator(resolution=meta["kwargs"]["img_resolution"], **values)
    variables = discriminator_from_state_dict(parity.state_dict(arrays))
    images = parity.images(arrays["img_u8_nhwc"])
    shapes = jax.eval_shape(disc.init, jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, shapes)
    logits = jax.jit(disc.apply)(variables, images)
    yield compare("logits", logits, arrays["logits"][:, 0], meta["f32_vs_f64"])


def check_mel(arrays, meta):
    """Ours is twice as far off as librosa, whose Fourier transform has float64 windows."""
    noise = 2 * meta["f32_vs_f64"]["max_abs"]
    ours = mel.log_mel(jnp.pad(arrays["y"], 256))
    exact = np.log(np.maximum(arrays["mel_power_f64"], 1e-5)).T
    yield compare("log mel", ours, exact, noise)
    yield compare("log mel of librosa", ours, arrays["log_mel_ln_1e5"].T, noise)
    yield compare("filters", mel.mel_filters(), arrays["mel_fb"], 1e-9)


def lstm_params(arrays, prefix, num_layers):
    """torch.nn.LSTM's tensors -> the parameters of ours."""
    params = {}
    for i in range(num_layers):
        bias = arrays[f"{prefix}bias_ih_l{i}"] + arrays[f"{prefix}bias_hh_l{i}"]
        params |= {
            f"input_kernel_{i}": arrays[f"{prefix}weight_ih_l{i}"].T,
            f"recurrent_kernel_{i}": arrays[f"{prefix}weight_hh_l{i}"].T,
            f"bias_{i}": bias,
        }
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)


def _check_lstm(arrays, noise):
    lstm, variables = LSTM(6, 2), {"params": lstm_params(arrays, "lstm/", 2)}
    carry = tuple(jnp.asarray(arrays[f"lstm/{k}"], jnp.float32) for k in ("h0", "c0"))
    y, (h, c) = lstm.apply(variables, arrays["lstm/x"], carry)
    yield compare("lstm/y", y, arrays["lstm/y"], noise)
    yield compare("lstm/hn", h, arrays["lstm/hn"], noise)
    yield compare("lstm/cn", c, arrays["lstm/cn"], noise)
    y, _ = lstm.apply(variables, arrays["lstm/x"])
    yield compare("lstm/y_zero_state", y, arrays["lstm/y_zero_state"], noise)


def _check_flow(arrays, noise):
    coupling, condition = AffineCoupling(8, num_layers=1), arrays["flow/cond"]
    steps = []
    for step in range(3):
        out = {leaf: arrays[f"flow/{step}/proj_{leaf}"] for leaf in ("weight", "bias")}
        out = {"kernel": out["weight"].T, "bias": out["bias"]}
        out = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), out)
        lstm = lstm_params(arrays, f"flow/{step}/lstm/", 1)
        steps.append(({"params": {"lstm": lstm, "out": out}}, arrays[f"flow/{step}/perm"]))
    x = jnp.asarray(arrays["flow/x"], jnp.float32)
    for variables, order in steps:
        x, _ = coupling.apply(variables, x[..., order], condition)
    yield compare("flow/mean/z", x, arrays["flow/mean/z"], noise)
    # The flow preserves volume, so the likelihood is the base density's alone.
    likelihood = normal_log_density(x, 0.0, 0.0).sum(axis=-1)
    expected = arrays["flow/mean/loglik_bt"]
    yield compare("flow/mean/loglik_bt", likelihood, expected, 1e-7 * np.abs(expected).min())
    z = jnp.asarray(arrays["flow/z_for_inverse"], jnp.float32)
    for variables, order in reversed(steps):
        z, _ = coupling.apply(variables, z, condition, inverse=True)
        z = z[..., np.argsort(order)]
    yield compare("flow/mean/inverse", z, arrays["flow/mean/inverse_of_z_for_inverse"], noise)


def _check_smoothing(arrays, noise):
    conv = {"kernel": arrays["smooth/conv_weight"].transpose(2, 1, 0)}
    conv["bias"] = arrays["smooth/conv_bias"]
    variables = {"params": {"Conv_0": jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), conv)}}
    x = np.pad(arrays["smooth/x"].transpose(0, 2, 1), ((0, 0), (3, 3), (0, 0)), mode="edge")
    out = Smoothing(8, radius=2, sigma=1.0).apply(variables, jnp.asarray(x, jnp.float32), 0, 15)
    yield compare("smooth/kernel", gaussian_kernel(2, 1.0), arrays["smooth/kernel"], 4e-8)
    yield compare("smooth/out", out, arrays["smooth/out"].transpose(0, 2, 1), noise)


def check_flow_refs(arrays, meta):
    """LSTM, volume-preserving flow, smoothing and InfoNCE in their closed forms."""
    noise, values = meta["f32_vs_f64"], meta["values"]
    yield from _check_lstm(arrays, noise["lstm"]["max_abs"])
    yield from _check_flow(arrays, noise["flow_mean"]["max_abs"])
    yield from _check_smoothing(arrays, noise["conv"]["max_abs"])
    a, b = arrays["nce/a"], arrays["nce/b"]
    loss = info_nce(video=a, audio=b, temperature=0.07)
    expected = 0.5 * (arrays["nce/row_losses"] + arrays["nce/col_losses"])
    yield compare("nce/losses", loss, expected, noise["infonce_rows_abs"])
    recall = [recall_at_1(video=x, audio=y).mean() for x, y in ((a, b), (b, a))]
    expected = [values["infonce_top1_rows"], values["infonce_top1_cols"]]
    yield compare("nce/top1", recall, expected, 1e-9)


CHECKS = {
    **parity.CHECKS,
    "flow_refs": check_flow_refs,
    "mel_chirp": check_mel,
    "sg2_disc_256_cb512_cm24": check_stylegan2_discriminator,
}
