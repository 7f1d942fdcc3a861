"""The public ArcFace ends in a norm with scale and offset, ours in one without."""

import numpy as np

from jaxtalk.pretrained import arcface, ir_se


def test_scale_and_offset_go_into_the_dense_layer(monkeypatch):
    monkeypatch.setattr(ir_se, "backbone", lambda state: ({}, {}))
    rng = np.random.default_rng(0)
    plain = {
        **{f"output_layer.0.{n}": np.ones(2) for n in ("weight", "bias", "running_mean")},
        "output_layer.0.running_var": np.ones(2),
        "output_layer.3.weight": rng.standard_normal((5, 8)),
        "output_layer.3.bias": rng.standard_normal(5),
        "output_layer.4.running_mean": rng.standard_normal(5),
        "output_layer.4.running_var": rng.uniform(1e-4, 2, 5),
    }
    scale, offset = rng.standard_normal((2, 5))
    scale[0] = 0
    affine = {**plain, "output_layer.4.weight": scale, "output_layer.4.bias": offset}
    x = rng.standard_normal((7, 8))

    def normed(state):
        variables = arcface.from_state_dict(state)
        dense, stats = variables["params"]["dense"], variables["batch_stats"]["embedding_norm"]
        y = x @ dense["kernel"] + dense["bias"] - stats["mean"]
        return y / np.sqrt(stats["var"].astype(np.float64) + 1e-5)

    np.testing.assert_allclose(normed(affine), normed(plain) * scale + offset, atol=1e-4)
