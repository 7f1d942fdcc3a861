"""Weights of the measuring stages, small and random, beside those of `tiny_talker`."""

import jax.numpy as jnp

from configs import arcface, landmarks, syncnet
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.landmark_regressor import LandmarkRegressor
from jaxtalk.nn.syncnet import SyncNet
from jaxtalk.training.checkpoint import save_weights
from tests import random_variables
from tests.tiny_talker import IMAGE_SIZE

FACE_SIZE, WIDTH, EMBEDDING_DIM = 16, 2, 8


def save(workdir, *, image_size=IMAGE_SIZE):
    """Writes <workdir>/<stage>/weights of arcface, syncnet and landmarks."""
    frames = jnp.zeros((1, image_size, image_size, 3))
    stages = {
        "arcface": (
            arcface.get_config(),
            {"face_size": FACE_SIZE, "width": WIDTH, "embedding_dim": EMBEDDING_DIM},
            IRSE50(WIDTH, EMBEDDING_DIM, FACE_SIZE),
            [jnp.zeros((1, FACE_SIZE, FACE_SIZE, 3))],
        ),
        "syncnet": (
            syncnet.get_config(),
            {"width": WIDTH, "audio_width": WIDTH, "embedding_dim": EMBEDDING_DIM},
            SyncNet(WIDTH, EMBEDDING_DIM, WIDTH),
            [jnp.zeros((1, 5, *frames.shape[1:])), jnp.zeros((1, 20, 80))],
        ),
        "landmarks": (
            landmarks.get_config(),
            {"width": 8, "max_width": 8, "num_features": 8},
            LandmarkRegressor(8, 8, 1, 8),
            [frames],
        ),
    }
    for name, (config, values, net, inputs) in stages.items():
        config[name].model.update({"image_size": image_size, **values})
        variables = {name: random_variables.draw(net, *inputs)}
        save_weights(workdir / name / "weights", variables, config)
