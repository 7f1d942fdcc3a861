"""Name maps of AVCT's networks: `generator.ckpt` (key `ph2kp`) and `audio2pose.ckpt`."""

import itertools

import jax
import numpy as np

from jaxtalk.nn.avct import AudioToKeypoints, AudioToPose
from jaxtalk.nn.keypoint_detector import KeypointDetector
from jaxtalk.pretrained import first_order, parity, resnet, transformer, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

# Counters, and buffers that the network computes itself.
IGNORED = ("num_batches_tracked", "pos_enc.pos_table", "down_pose.weight")


def keypoints_from_state_dict(state):
    """Variables of `jaxtalk.nn.avct.AudioToKeypoints` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state, ignore=IGNORED) as state:
        norm, norm_stats = state.batch_norm("audio_embedding.1")
        params = {
            "phoneme_embedding": {"embedding": state.array("embedding.weight", 2)},
            "audio_conv0": state.conv_transposed("audio_embedding.0"),
            "audio_norm": norm,
            "audio_conv1": state.conv("audio_embedding.3"),
            "norm": state.norm("transformer.decoder.norm"),
            "position": state.dense("kp"),
            "jacobian": state.dense("jacobian"),
        }
        stats = {"audio_norm": norm_stats}
        for ours, name in (
            ("source_encoder", "feature_extract"),
            ("target_encoder", "decodefeature_extract"),
        ):
            blocks = {f"block_{i}": _down_block(state, f"{name}.{i}") for i in range(5)}
            params[ours] = {block: pair[0] for block, pair in blocks.items()}
            stats[ours] = {block: pair[1] for block, pair in blocks.items()}
        for half, layer in (
            ("encoder", transformer.encoder_layer),
            ("decoder", transformer.decoder_layer),
        ):
            for i in itertools.count():
                name = f"transformer.{half}.layers.{i}"
                if i and f"{name}.linear1.weight" not in state:
                    break
                params[f"{half}_{i}"] = layer(state, name)
    return {"params": params, "batch_stats": stats}


def pose_from_state_dict(state):
    """Variables of `jaxtalk.nn.avct.AudioToPose` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        params, stats = {"output": state.dense("output")}, {}
        for kind in ("pose", "audio"):
            prefix = f"em_{kind}.resnet."
            trunk = resnet.trunk(state, prefix, bottleneck=False)
            params[f"{kind}_trunk"], stats[f"{kind}_trunk"] = trunk
            params[f"{kind}_dense"] = state.dense(f"{prefix}fc")
        params["lstm"] = state.lstm("lstm", 2)
    return {"params": params, "batch_stats": stats}


def _down_block(state, name):
    params, stats = {}, {}
    for i in (0, 1):
        layers = f"{name}.conv_block_{i}.layers"
        params[f"conv{i}"] = state.conv(f"{layers}.conv")
        params[f"norm{i}"], stats[f"norm{i}"] = state.batch_norm(f"{layers}.norm")
    layers = f"{name}.conv_block_s.layers"
    params["shortcut_conv"] = state.conv1x1(f"{layers}.conv")
    params["shortcut_norm"], stats["shortcut_norm"] = state.batch_norm(f"{layers}.norm")
    return params, stats


def check_keypoints(arrays, meta):
    """The portrait's features and key points, between two of the same others: they must not mix."""
    rule = meta["weight_rule"]
    detector = weight_rule.from_table(
        meta["state_kp"], rule["kp_detector_seed"], rule["kp_gain"], rule["kp_skip"]
    )
    state = weight_rule.from_table(
        meta["state"], rule["ph2kp_seed"], rule["gain"], rule["skip"], rule["unit_suffixes"]
    )
    state["jacobian.weight"] = state["jacobian.weight"] * np.float32(0.1)
    identities = np.resize([1, 0, 0, 1], state["jacobian.bias"].shape).astype(np.float32)
    state["jacobian.bias"] = np.float32(0.5) * state["jacobian.bias"] + identities

    variables = first_order.keypoint_detector_from_state_dict(detector)
    features = jax.jit(lambda v, x: KeypointDetector().apply(v, x, method="features"))
    portrait = np.asarray(features(variables, parity.unit_images(arrays["img_u8_nhwc"])))
    found, noise = parity.nchw(portrait, 1, 4), meta["f32_vs_f64"]
    # It has no noise of its own: that of ten convolutions in float32.
    limit = parity.like(1e-6, arrays["feature_map_s4"])
    yield parity.compare("feature_map_s4", found, arrays["feature_map_s4"], limit)

    inputs = [
        arrays["phonemes"].astype(np.int32),
        arrays["pose_maps_u8"].astype(np.float32),
        arrays["audio"],
        portrait,
    ]
    inputs = [np.concatenate([x, x[:, ::-1], x]) for x in inputs]
    variables = jax.device_put(keypoints_from_state_dict(state))
    positions, jacobians = jax.jit(AudioToKeypoints().apply)(variables, *inputs)
    for row in (0, 2):
        yield parity.compare(f"value {row}", positions[row], arrays["value"][0], noise["value"])
        yield parity.compare(f"jac {row}", jacobians[row], arrays["jacobian"][0], noise["jac"])


def check_pose(arrays, meta):
    """Three at once, the second of which hears and sees something else."""
    variables = jax.device_put(pose_from_state_dict(weight_rule.from_meta(meta)))
    pose_map = arrays["pose_map_u8"].astype(np.float32)
    maps = np.stack([pose_map, pose_map[::-1], pose_map])
    audio = np.concatenate([arrays["audio"], arrays["audio"][:, ::-1], arrays["audio"]])
    outputs = jax.jit(AudioToPose().apply)(variables, maps, audio)
    for row in (0, 2):
        yield parity.compare(f"out {row}", outputs[row], arrays["out"][0], meta["f32_vs_f64"])
