"""The real recipe of StyleTalker with fewer pixels and channels; stages and losses are the same."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[1]
SIZE, NUM_WS, W_DIM = 32, 5, 8
STAGES = ("perceptual", "arcface", "stylegan3", "psp", "syncnet", "styletalker")
GENERATOR = {
    "resolution": SIZE,
    "num_layers": NUM_WS - 2,
    "z_dim": W_DIM,
    "w_dim": W_DIM,
    "channel_base": 128,
    "channel_max": 4,
}
ENCODER = {"num_styles": NUM_WS, "w_dim": W_DIM, "width": 2, "coarse": 1, "middle": 2}
ARCFACE = {"width": 2, "embedding_dim": 8}
SYNCNET = {"width": 2, "audio_width": 2, "embedding_dim": 8}
AUTOENCODER = {
    "image_size": SIZE,
    "generator": GENERATOR,
    "encoder": ENCODER,
    "lpips_width": 2,
    "arcface": {**ARCFACE, "image_size": 16},
}
VALUES = {
    "perceptual": {"model": {"image_size": SIZE, "width": 2}},
    "arcface": {"model": {"image_size": SIZE, "face_size": 16, **ARCFACE}},
    "stylegan3": {
        "model": {
            "generator": GENERATOR,
            "discriminator": {"resolution": SIZE, "channel_base": 128, "channel_max": 4},
        }
    },
    "psp": {"model": {**AUTOENCODER, "num_motion_styles": 3}},
    "syncnet": {
        "model": {"image_size": SIZE, **SYNCNET},
        "loss": {"num_anchors": 3},
        "data": {"clip_frames": 12},
    },
    "styletalker": {
        "model": {
            **AUTOENCODER,
            "num_ws": NUM_WS,
            "w_dim": W_DIM,
            "num_blocks": 3,
            "num_flow_steps": 1,
            "audio": {"width": 2, "output_dim": 4},
            "block": {"z_dim": 4, "motion_width": 8, "lstm_width": 8, "smoothing_width": 8},
            "discriminator": {"width": 2, "num_layers": 2},
            "syncnet": SYNCNET,
        },
        "loss": {"num_extra_scales": 0},
        "data": {"clip_frames": 8, "window_frames": 5},
    },
}


# What the demo keeps in the styles that it moves; the paper's preset has none of it.
MOVING = {
    "psp": {"anchors": {"brows": 0, "eye_opening": 1, "mouth_opening": 2, "mouth_width": 2}},
    "styletalker": {"lip_styles": (2,), "motion_gain": (1.0, 2.0, 1.0)},
}


def flags(counts, *, paper=False):
    """--config.<stage>.<...>=value of all stages; `counts` are further values of each of them."""
    found = [
        flag for stage in STAGES for flag in _flags(f"--config.{stage}", counts | VALUES[stage])
    ]
    for stage, model in () if paper else MOVING.items():
        found += _flags(f"--config.{stage}.model", model)
    return found


def _flags(prefix, values):
    """--config.a.b=value for every leaf."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flags(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}={value}"


def run(command):
    """Runs a command, compiling quickly; returns what `subprocess.run` does."""
    return subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)


def start(command):
    """The same as a process that is not waited for."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=_environment(), text=True, **pipes)


def _environment():
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
