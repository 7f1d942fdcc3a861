"""Name maps of the public first-order models (`KPDetector`, `OcclusionAwareGenerator`).

Their checkpoints hold a dict each under "kp_detector" and "generator"; those of AVCT do too.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.nn.first_order import Generator
from jaxtalk.nn.keypoint_detector import KeypointDetector
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

# The Gaussian of the down-sampling is a constant here.
IGNORED = ("num_batches_tracked", "down.weight")


def keypoint_detector_from_state_dict(state):
    """Variables of `jaxtalk.nn.keypoint_detector.KeypointDetector`.

    Args:
      state: name -> numpy array, names like "predictor.encoder.down_blocks.0.conv.weight".

    Returns:
      {"params", "batch_stats"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state, IGNORED) as state:
        hourglass, stats = _hourglass(state, "predictor")
        params = {
            "hourglass": hourglass,
            "heatmap": state.conv("kp"),
            "jacobian": state.conv("jacobian"),
        }
    return {"params": params, "batch_stats": {"hourglass": stats}}


def generator_from_state_dict(state):
    """Variables of `jaxtalk.nn.first_order.Generator`.

    Args:
      state: name -> numpy array, names like "dense_motion_network.mask.weight".

    Returns:
      {"params", "batch_stats"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state, IGNORED) as state:
        motion = "dense_motion_network"
        hourglass, hourglass_stats = _hourglass(state, f"{motion}.hourglass")
        params = {
            "dense_motion": {
                "hourglass": hourglass,
                "mask": state.conv(f"{motion}.mask"),
                "occlusion": state.conv(f"{motion}.occlusion"),
            },
            "final": state.conv("final"),
        }
        stats = {"dense_motion": {"hourglass": hourglass_stats}}
        params["first"], stats["first"] = _block(state, "first")
        for ours, theirs in (("down", "down_blocks"), ("up", "up_blocks")):
            _blocks(state, ours, theirs, params, stats)
        for i in itertools.count():
            theirs, ours = f"bottleneck.r{i}", f"bottleneck_{i}"
            if f"{theirs}.conv1.weight" not in state:
                break
            params[ours] = {conv: state.conv(f"{theirs}.{conv}") for conv in ("conv1", "conv2")}
            stats[ours] = {}
            for norm in ("norm1", "norm2"):
                params[ours][norm], stats[ours][norm] = state.batch_norm(f"{theirs}.{norm}")
    return {"params": params, "batch_stats": stats}


def _hourglass(state, name):
    params, stats = {}, {}
    _blocks(state, "down", f"{name}.encoder.down_blocks", params, stats)
    _blocks(state, "up", f"{name}.decoder.up_blocks", params, stats)
    return params, stats


def _blocks(state, ours, theirs, params, stats):
    """Adds all blocks of a list to the two dicts."""
    for i in itertools.count():
        if f"{theirs}.{i}.conv.weight" not in state:
            break
        params[f"{ours}_{i}"], stats[f"{ours}_{i}"] = _block(state, f"{theirs}.{i}")


def _block(state, name):
    norm, stats = state.batch_norm(f"{name}.norm")
    return {"conv": state.conv(f"{name}.conv"), "norm": norm}, {"norm": stats}


def _golden_states(arrays, meta):
    """A golden file's state dicts (detector, generator), made anew where they are not stored."""
    if meta["state_dict_stored"]:
        return [parity.state_dict(arrays, prefix) for prefix in ("kp_detector/", "generator/")]
    rule = meta["weight_rule"]
    detector, generator = (
        weight_rule.from_table(meta[table], rule[seed], rule["gain"], rule["skip_names"])
        for table, seed in (("state_kp", "kp_detector_seed"), ("state_gen", "generator_seed"))
    )
    detector["kp.weight"] = np.float32(1.5) * detector["kp.weight"]
    detector["jacobian.weight"] = arrays["kp_jac_weight_scale"] * detector["jacobian.weight"]
    identities = np.resize([1, 0, 0, 1], detector["jacobian.bias"].shape).astype(np.float32)
    detector["jacobian.bias"] = np.float32(0.5) * detector["jacobian.bias"] + identities
    return detector, generator


def check(arrays, meta):
    """Key points, motion and images, between two of the same another one: they must not mix."""
    sizes, motion = meta["generator_params"], meta["generator_params"]["dense_motion_params"]
    detector = KeypointDetector(
        width=meta["kp_detector_params"]["block_expansion"],
        max_width=meta["kp_detector_params"]["max_features"],
    )
    generator = Generator(
        width=sizes["block_expansion"],
        max_width=sizes["max_features"],
        motion_width=motion["block_expansion"],
        motion_max_width=motion["max_features"],
    )
    maps = keypoint_detector_from_state_dict, generator_from_state_dict
    states = _golden_states(arrays, meta)
    variables = jax.device_put([from_states(s) for from_states, s in zip(maps, states)])
    images = [parity.unit_images(arrays[key]) for key in ("source_u8", "driving_u8")]
    # Wide networks take their one example: the batch is left to the narrow ones.
    if meta["state_dict_stored"]:
        images = [np.concatenate([image, image[:, ::-1], image]) for image in images]

    @jax.jit
    def animate(variables, source, driving):
        both = detector.apply(variables[0], jnp.concatenate([source, driving]))
        of_source = jax.tree.map(lambda x: x[: len(source)], both)
        of_driving = jax.tree.map(lambda x: x[len(source) :], both)
        inputs = source, of_driving, of_source
        generated, state = generator.apply(
            variables[1],
            *inputs,
            capture_intermediates=lambda module, _: module.name == "final",
            mutable="intermediates",
        )
        aligned = generator.clone(align_corners=True).apply(variables[1], *inputs)
        logits = state["intermediates"]["final"]["__call__"][0]
        return of_source, of_driving, generated, logits, aligned.image

    of_source, of_driving, *rest = jax.tree.map(np.asarray, animate(variables, *images))
    # The reference's Jacobians are more exact than float32 makes them on every machine.
    with jax.enable_x64(True):
        exact = jax.jit(detector.clone(dtype=jnp.float64).apply)
        weights = jax.tree.map(np.float64, jax.device_get(variables[0]))
        jacobians = [np.asarray(exact(weights, np.float64(x)).jacobian) for x in images]
    of_source, of_driving = (
        points._replace(jacobian=jacobian)
        for points, jacobian in zip((of_source, of_driving), jacobians)
    )
    results = of_source, of_driving, *rest
    noise = meta["f32_vs_f64"]
    for row in range(0, len(images[0]), 2):
        one = jax.tree.map(lambda x, row=row: x[row : row + 1], results)
        yield from _compared(one, row, arrays, noise)


def _compared(results, row, arrays, noise):
    of_source, of_driving, generated, logits, aligned = results
    motion = generated.motion

    def planes(x, stride):
        return np.moveaxis(x, (1, 2), (-2, -1))[..., ::stride, ::stride]

    found = {
        "kp_src_value": (of_source.position, noise["kp_value"]),
        "kp_src_jac": (of_source.jacobian, noise["kp_jac"]),
        "kp_drv_value": (of_driving.position, noise["kp_value"]),
        "kp_drv_jac": (of_driving.jacobian, noise["kp_jac"]),
        "deformation": (motion.deformation, noise["kp_value"]),  # coordinates as well
        "mask_s2": (planes(motion.mask, 2), noise["mask"]),
        "occlusion": (planes(motion.occlusion, 1), noise["occlusion_map"]),
        "deformed_s4": (planes(generated.deformed, 4), noise["deformed"]),
        "sparse_deformed_s4": (planes(motion.sparse_deformed, 4), noise["deformed"]),
        "prediction_s2": (planes(generated.image, 2), noise["prediction"]),
        "prediction_aligncornersTrue_s4": (planes(aligned, 4), noise["prediction"]),
    }
    for key, (array, limit) in found.items():
        if key in arrays:
            yield parity.compare(f"{key} {row}", array, arrays[key], limit)
    # The sigmoid hides errors of large logits; their noise as a share of their size is that of
    # the prediction.
    expected = arrays["final_pre_sigmoid_s2"]
    limit = parity.like(noise["prediction"], expected)
    yield parity.compare(f"final_pre_sigmoid_s2 {row}", planes(logits, 2), expected, limit)
