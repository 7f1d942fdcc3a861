import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.avct import (
    POSE_MAX,
    POSE_MIN,
    AudioToKeypoints,
    AudioToPose,
    head_poses,
)
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.pretrained import avct
from tests import golden_files, gradients, random_variables, weight_rule


def rule_state(meta, key, **rule):
    """State dict by the rule; float64 sums stand in for a checksum, which covers buffers too."""
    table = meta[key]["tensors_[shape,dtype,sum]"]
    state = weight_rule.weights({name: shape for name, (shape, *_) in table.items()}, **rule)
    for name, value in state.items():
        assert value.sum(dtype=np.float64) == pytest.approx(table[name][2], abs=1e-4)
    return state


@pytest.fixture(scope="module")
def keypoints_reference():
    arrays, meta = golden_files.load("avct_audio2kp")
    rule = meta["weight_rule"]
    state = rule_state(
        meta,
        "state",
        seed=rule["ph2kp_seed"],
        gain=rule["gain"],
        skip=rule["skip"],
        unit_suffixes=rule["unit_suffixes"],
    )
    state["jacobian.weight"] = state["jacobian.weight"] * np.float32(0.1)
    identity = np.tile(np.float32([1, 0, 0, 1]), 10)
    state["jacobian.bias"] = np.float32(0.5) * state["jacobian.bias"] + identity
    detector = rule_state(
        meta, "state_kp", seed=rule["kp_detector_seed"], gain=rule["kp_gain"], skip=rule["kp_skip"]
    )
    return arrays, meta, state, detector


def feature_map(state, images):
    """The hourglass of the first-order model's key-point detector, written out plainly."""

    def block(x, name):
        kernel = state[f"{name}.conv.weight"].transpose(2, 3, 1, 0)
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        mean, var = (state[f"{name}.norm.running_{key}"] for key in ("mean", "var"))
        scale = state[f"{name}.norm.weight"] / np.sqrt(var + 1e-5)
        x = (x + state[f"{name}.conv.bias"] - mean) * scale + state[f"{name}.norm.bias"]
        return np.maximum(np.asarray(x), 0)

    skips = [np.asarray(gaussian_downsample(images, 4))]
    for i in range(5):
        x = block(skips[-1], f"predictor.encoder.down_blocks.{i}")
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        skips.append(x.mean(axis=(2, 4)))
    x = skips.pop()
    for i in range(5):
        x = block(x.repeat(2, axis=1).repeat(2, axis=2), f"predictor.decoder.up_blocks.{i}")
        x = np.concatenate([x, skips.pop()], axis=-1)
    return x


def test_keypoints_match_reference(keypoints_reference):
    """The first and the last of three, between them another: examples must not mix."""
    arrays, meta, state, detector = keypoints_reference
    portrait = feature_map(detector, arrays["img_u8_nhwc"].astype(np.float32) / 255)
    thin = portrait.transpose(0, 3, 1, 2)[:, :, ::4, ::4]
    np.testing.assert_allclose(thin, arrays["feature_map_s4"], rtol=1e-4, atol=1e-4)
    inputs = [
        arrays["phonemes"].astype(np.int32),
        arrays["pose_maps_u8"].astype(np.float32),
        arrays["audio"],
        portrait,
    ]
    inputs = [np.concatenate([x, x[:, ::-1], x]) for x in inputs]
    module = AudioToKeypoints()
    variables = jax.device_put(avct.keypoints_from_state_dict(state))
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, shapes)
    positions, jacobians = jax.jit(module.apply)(variables, *inputs)
    noise = meta["f32_vs_f64"]
    for row in (0, 2):
        golden_files.assert_close(positions[row], arrays["value"][0], noise["value"])
        golden_files.assert_close(jacobians[row], arrays["jacobian"][0], noise["jac"])


def test_poses_match_reference():
    arrays, meta = golden_files.load("avct_audio2pose")
    variables = jax.device_put(avct.pose_from_state_dict(weight_rule.from_meta(meta)))
    pose_map = arrays["pose_map_u8"].astype(np.float32)
    # Three at once: the second hears and sees something else.
    maps = np.stack([pose_map, pose_map[::-1], pose_map])
    audio = np.concatenate([arrays["audio"], arrays["audio"][:, ::-1], arrays["audio"]])
    module = AudioToPose()
    shapes = jax.eval_shape(module.init, jax.random.key(0), maps, audio)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, shapes)
    outputs = jax.jit(module.apply)(variables, maps, audio)
    for row in (0, 2):
        golden_files.assert_close(outputs[row], arrays["out"][0], meta["f32_vs_f64"])


def test_head_poses():
    np.testing.assert_allclose(head_poses(jnp.full(6, -1.0)), POSE_MIN, rtol=1e-6)
    np.testing.assert_allclose(head_poses(jnp.full(6, 1.0)), POSE_MAX, rtol=1e-6)


def test_missing_and_unexpected_names(keypoints_reference):
    state = keypoints_reference[2]
    name = "transformer.decoder.layers.3.multihead_attn.in_proj_bias"
    with pytest.raises(UserError, match=rf"'{name}' is missing"):
        avct.keypoints_from_state_dict({n: a for n, a in state.items() if n != name})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'kp.extra'"):
        avct.keypoints_from_state_dict({**state, "kp.extra": np.zeros(1)})
    with pytest.raises(UserError, match=r"'output.weight' is missing"):
        avct.pose_from_state_dict(state)


@pytest.fixture(scope="module")
def small():
    module = AudioToKeypoints(
        num_keypoints=2, window=1, width=1, num_heads=2, num_layers=1, hidden=8
    )
    rng = np.random.default_rng(0)
    inputs = (
        rng.integers(0, 41, (1, 3)).astype(np.int32),
        rng.uniform(0, 1, (1, 3, 256, 256)).astype(np.float32),
        rng.standard_normal((1, 3, 4, 41)).astype(np.float32),
        rng.standard_normal((1, 64, 64, 4)).astype(np.float32),
    )
    return module, random_variables.draw(module, *inputs), inputs


def test_gradient_of_the_speech(small):
    module, variables, (phonemes, poses, audio, portrait) = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda audio: wide.apply(variables, phonemes, poses, audio, portrait), audio
    )


def test_other_shapes_are_refused(small):
    module, variables, (phonemes, poses, audio, portrait) = small
    with pytest.raises(ValueError, match=r"found \[B, ...\] of \(\(3,\), \(2, 256, 256\)"):
        module.apply(variables, phonemes, poses[:, 1:], audio, portrait)
