"""Checks against golden files of what `jaxtalk.convert` has no use for; see `tests.test_parity`.

Those of the networks that it knows are with their name maps.

Each is a function of (arrays, meta) of a golden file that yields comparisons of
`jaxtalk.pretrained.parity`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses.contrastive import info_nce, recall_at_1
from jaxtalk.losses.kl import normal_log_density
from jaxtalk.losses.vgg_perceptual import first_order_perceptual, pirenderer_perceptual
from jaxtalk.metrics.sync import lip_sync_error, offset_distances
from jaxtalk.nn import face_model
from jaxtalk.nn.flow import AffineCoupling
from jaxtalk.nn.lstm import LSTM
from jaxtalk.nn.stylegan2 import Discriminator
from jaxtalk.nn.vgg import VGG19
from jaxtalk.ops import mel, warp
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.pretrained import basel, kinds, parity, resnet50, syncnet_cz, vgg19, weight_rule
from jaxtalk.pretrained.parity import compare
from jaxtalk.pretrained.stylegan2 import discriminator_from_state_dict
from jaxtalk.pretrained.torch_layout import StateDict
from jaxtalk.systems.styletalker.block import Smoothing, gaussian_kernel
from tests import loss_checks, metric_checks


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


def lstm_params(arrays, name, num_layers):
    """Parameters of our LSTM from a golden file's arrays."""
    state = StateDict({n.replace("/", "."): a for n, a in arrays.items()})
    return state.lstm(name.replace("/", "."), num_layers)


def _check_lstm(arrays, noise):
    lstm, variables = LSTM(6, 2), {"params": lstm_params(arrays, "lstm", 2)}
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
        lstm = lstm_params(arrays, f"flow/{step}/lstm", 1)
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


def check_vgg19(arrays, meta):
    """The network's features, the images of the pyramid, and the losses on them."""
    yield from vgg19.check(arrays, meta)
    images = parity.unit_images(arrays["driving_u8_nhwc"])
    for factor in (2, 4, 8):
        name, found = f"driving_scale_{1 / factor}", gaussian_downsample(images, factor)
        yield compare(name, parity.nchw(found), arrays[name], 5e-7)
    variables = jax.device_put(vgg19.from_state_dict(weight_rule.from_meta(meta)))

    @jax.jit
    def losses(variables, real, fake):
        pair = {"real": real, "fake": fake, "features": functools.partial(VGG19().apply, variables)}
        warped = pirenderer_perceptual(**pair)
        return (
            first_order_perceptual(**pair),
            warped,
            pirenderer_perceptual(**pair, style_weight=250.0),
        )

    pair = (parity.images(arrays[f"{name}_u8_nhwc"]) for name in ("driving", "generated"))
    names = ("fom_perceptual", "pirender_warp", "pirender_final")
    for name, value in zip(names, losses(variables, *pair)):
        noise = meta["f32_vs_f64"][f"{name}_rel"] * float(arrays[name])
        yield compare(name, value[0], arrays[name], noise)


def geometry(model, coefficients):
    """All that the golden file has of the face model, by its names."""
    face = face_model.split_coefficients(coefficients)
    shape = face_model.face_shape(model, face.identity, face.expression)
    rotation = face_model.rotation_matrix(face.angles)
    transformed = face_model.moved(shape, rotation, face.translation)
    camera = face_model.to_camera(transformed)
    projected = face_model.project(camera)
    texture = face_model.face_texture(model, face.texture)
    normal = face_model.vertex_normals(model, shape)
    rotated = jnp.matmul(normal, rotation, precision="highest")
    return {
        "shape": shape,
        "rotation": rotation,
        "transformed": transformed,
        "camera": camera,
        "proj": projected,
        "landmarks68": face_model.landmarks(model, projected),
        "texture": texture,
        "normal": normal,
        "normal_rotated": rotated,
        "color": face_model.shaded(texture, rotated, face.light),
    }


def basel_fields(arrays):
    """The golden file's face model as a user's file has it, counted from 1."""
    stored = {n.removeprefix("model/"): a for n, a in arrays.items() if "model/" in n}
    return {
        **{key: stored[key] for key in ("meanshape", "idBase", "exBase", "meantex", "texBase")},
        "tri": stored["tri0"] + 1,
        "point_buf": stored["point_buf0"] + 1,
        "keypoints": stored["keypoints0"][None] + 1,
    }


def check_resnet50(arrays, meta):
    """The network's coefficients, and the geometry of others in a batch and alone."""
    yield from resnet50.check(arrays, meta)
    noise = meta["f32_vs_f64"]["geometry"]
    model, coefficients = basel.from_fields(basel_fields(arrays)), arrays["geo/coeffs"]
    recentred = arrays["model/recentred_mean"]
    yield compare("recentred_mean", model.mean_shape, recentred, 1e-7)
    for count in (len(coefficients), 1):
        for name, found in jax.jit(geometry)(model, coefficients[:count]).items():
            expected = arrays[f"geo/{name}"][:count]
            yield compare(f"{name} of {count}", found, expected, noise[name])


def check_syncnet(arrays, meta):
    """The network's embeddings; distances and scores of given ones, beside another clip's."""
    yield from syncnet_cz.check(arrays, meta)
    for lip, audio, prefix, values in (
        ("lip_emb", "aud_emb", "net", meta["metrics_on_net"]),
        ("syn_f1", "syn_f2", "syn", meta["metrics_on_synthetic"]),
    ):
        pair = np.stack([arrays[audio], arrays[audio][::-1]])
        distances = offset_distances(jnp.asarray(arrays[lip]), pair)
        noise = 2e-7 * float(arrays[f"{prefix}_dists"].max())
        yield compare(f"{prefix}_dists", distances[0], arrays[f"{prefix}_dists"], noise)
        yield compare(f"{prefix}_mdist", distances[0].mean(0), arrays[f"{prefix}_mdist"], noise)
        found = lip_sync_error(distances)
        for name in ("LSE_D", "LSE_C"):
            yield compare(f"{prefix} {name}", found[name.lower()][0], values[name], noise)
        yield compare(f"{prefix} offset", found["offset"][0], values["offset"], 1e-9)


def check_equivariance_transform(arrays, meta):
    """The reference is float32 and tells no noise of its own: that of rounding numbers of order 1
    for coordinates, and for frames what a shift by it does to their steepest edge."""
    del meta

    @jax.jit
    def transform(frames, coordinates, *drawn):
        return (
            warp.transform_frames(frames, *drawn),
            warp.transform_coordinates(coordinates, *drawn),
            warp.transform_jacobians(coordinates, *drawn),
        )

    frames, drawn = parity.unit_images(arrays["frame_u8"]), arrays["control_params"][:, 0]
    inputs = frames, arrays["coords"], arrays["theta"], drawn
    expected = arrays["transformed"].transpose(0, 2, 3, 1), arrays["warped"], arrays["jac"]
    for start in (0, 1):
        found = transform(*(array[start:] for array in inputs))
        for i, name in enumerate(("transformed", "warped", "jac")):
            noise = 32 * 1.2e-7 if i == 0 else 1.2e-7
            yield compare(f"{name} from {start}", found[i], expected[i][start:], noise)


CHECKS = {
    **kinds.CHECKS,
    **metric_checks.CHECKS,
    **loss_checks.CHECKS,
    "flow_refs": check_flow_refs,
    "fom_equivariance_transform": check_equivariance_transform,
    "mel_chirp": check_mel,
    "resnet50_3dmm": check_resnet50,
    "sg2_disc_256_cb512_cm24": check_stylegan2_discriminator,
    "syncnet_python_lse": check_syncnet,
    "vgg19_features": check_vgg19,
}
