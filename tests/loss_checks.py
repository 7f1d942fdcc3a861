"""Checks of losses and of features that are made ahead, as in `tests.parity_checks`."""

import jax
import numpy as np

from jaxtalk.losses import adversarial, first_order
from jaxtalk.media import pitch, pose_box, speech_features
from jaxtalk.nn.keypoint_detector import Keypoints
from jaxtalk.nn.multi_scale_discriminator import MultiScaleDiscriminator
from jaxtalk.ops import warp
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.pretrained import multi_scale_discriminator, parity
from jaxtalk.pretrained.parity import compare


def discriminator_losses(disc, variables, real, generated, keypoints, *, train):
    """The reference's losses [B] by name, after its forward passes one by one, and the variables.

    In training each pass of generated and real images, for the generator and once more for the
    discriminator, is a power iteration.
    """
    scores = []
    for images in (generated, real, generated, real):
        found, new = disc.apply(variables, images, keypoints, train=train, mutable="batch_stats")
        variables = {**variables, **new}
        scores.append(found)
    losses = {"gen_gan": 0.0, "feature_matching": 0.0, "disc_gan": 0.0}
    for of_generated, of_real, again, real_again in zip(*scores):
        losses["gen_gan"] += adversarial.least_squares_generator_loss(
            fake_logits=of_generated.logits
        )
        losses["feature_matching"] += 10 * adversarial.feature_matching(
            real_features=of_real.features, fake_features=of_generated.features
        )
        losses["disc_gan"] += adversarial.least_squares_discriminator_loss(
            real_logits=real_again.logits, fake_logits=again.logits
        )
    return losses, variables


def _check_discriminator_losses(arrays, meta):
    state = parity.state_dict(arrays)
    disc = MultiScaleDiscriminator(**multi_scale_discriminator.fields(state))
    variables = jax.device_put(multi_scale_discriminator.from_state_dict(state))
    images = [parity.unit_images(arrays[key]) for key in ("real_u8_nhwc", "generated_u8_nhwc")]
    run = jax.jit(discriminator_losses, static_argnames=("disc", "train"))
    noise = meta["f32_vs_f64"]["losses_rel"]
    for train in (False, True):
        losses, new = run(disc, variables, *images, arrays["kp_driving_value"], train=train)
        for name, found in losses.items():
            expected = (
                meta["train_mode"]["losses_float32"][name] if train else arrays[f"loss/{name}"]
            )
            # A float32 result is off by half a unit in its last place at least.
            limit = max(noise[name], 6e-8) * float(expected)
            yield compare(f"{name}, train {train}", found.mean(), expected, limit)
    trained = {**state, **parity.state_dict(arrays, "after_train_steps/")}
    expected = multi_scale_discriminator.from_state_dict(trained)["batch_stats"]
    for name, vectors in expected.items():
        # It tells no noise of its own: that of eight matrix products in float32.
        limit = parity.like(1e-6, vectors["u"])
        yield compare(f"{name} u", new["batch_stats"][name]["u"], vectors["u"], limit)


def _check_equivariance(arrays, meta):
    noise = meta["f32_vs_f64"]
    pairs = {
        which: Keypoints(arrays[f"kp_{which}_value"], arrays[f"kp_{which}_jacobian"])
        for which in ("driving", "transformed")
    }
    drawn = arrays["theta"], arrays["control_params"][:, 0]
    real, points = parity.unit_images(arrays["real_u8_nhwc"]), pairs["transformed"].position
    frames = jax.jit(warp.transform_frames)(real, *drawn)
    expected = arrays["transformed_frame_s2"]
    yield compare(
        "transformed_frame", parity.nchw(frames, 1, 2), expected, noise["transformed_frame"]
    )
    moved = warp.transform_coordinates(points, *drawn)
    yield compare("warped", moved, arrays["warped_transformed_value"], noise["warped"])
    jacobians = warp.transform_jacobians(points, *drawn)
    expected = arrays["transform_jacobian"]
    yield compare("transform_jacobian", jacobians, expected, noise["transform_jacobian"])
    arguments = dict(zip(("affine", "control"), drawn))
    arguments |= {"keypoints": pairs["driving"], "transformed": pairs["transformed"]}
    for name, loss in (
        ("equivariance_value", first_order.position_equivariance),
        ("equivariance_jacobian", first_order.jacobian_equivariance),
    ):
        found = 10 * np.asarray(loss(**arguments), np.float64)
        expected = float(arrays[f"loss/{name}"])
        limit = max(noise["losses_rel"][name], 6e-8) * expected
        yield compare(name, found.mean(), expected, limit)


def check_first_order_losses(arrays, meta):
    """The discriminator's maps, and all losses but the perceptual one."""
    yield from multi_scale_discriminator.check(arrays, meta)
    yield from _check_discriminator_losses(arrays, meta)
    yield from _check_equivariance(arrays, meta)


def check_audio_features(arrays, meta):
    """Speech and head poses as AVCT's networks get them.

    Those of the anti-aliased canvas of bytes, which the release does not use, are left out.
    """
    features = speech_features.speech_features(arrays["wav_i16"])
    # The reference is float64 and tells no noise of it.
    yield compare("features_f64", features, arrays["features_f64"], 1e-11)
    audio = arrays["wav_i16"] - arrays["wav_i16"].mean()
    found = pitch.harvest(audio / np.abs(audio).max())
    yield compare("f0_raw", found, arrays["f0_raw"], 1e-11)
    noise = meta["float32_rounding"]["frames"]
    frames = speech_features.frame_features(features)
    yield compare("frames_T_4_41", frames, arrays["frames_T_4_41"], noise)
    windows = speech_features.feature_windows(frames, arrays["window_rows"])
    yield compare("windows_11_4_41", windows, arrays["windows_11_4_41"], noise)
    for i in range(4):
        found = speech_features.interpolated_pitch(arrays[f"interp_test{i}_in"])
        yield compare(f"interp_test{i}", found, arrays[f"interp_test{i}_out"], 1e-13)
    points = pose_box.box_points(arrays["poses"])
    yield compare("points2d_f64", points, arrays["points2d_f64"], 1e-12)
    for boxes in (pose_box.pose_boxes(arrays["poses"]), pose_box.pose_boxes(arrays["poses"][:1])):
        name, expected = f"box256_u8 of {len(boxes)}", arrays["box256_u8"][: len(boxes)]
        yield compare(name, boxes, expected, 1e-9)
    reduced = gaussian_downsample(boxes[..., None].astype(np.float32), 4)[..., 0]
    # It tells no noise: that of sums of 169 numbers up to 255.
    yield compare("box64_f32", reduced, arrays["box64_f32"][:1], 3e-5)


CHECKS = {
    "patchgan_fom_losses": check_first_order_losses,
    "avct_audio_features": check_audio_features,
}
