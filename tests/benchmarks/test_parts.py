import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.benchmarks import parts
from jaxtalk.benchmarks.measure import fill, flop
from jaxtalk.nn import stylegan3_layers
from jaxtalk.talker import BLOCK_FRAMES
from tests import tiny_talker

# Compiling takes most of the time.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def tiny_case(part, batch_size, dtype="float32"):
    config = tiny_talker.recipe().styletalker
    config.model.dtype = dtype
    config.model.arcface.image_size = 16
    config.model.lpips_width = 2
    config.loss.num_extra_scales = 0
    return parts.PARTS[part](config, batch_size)


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        ("generator", (2, 32, 32, 3)),
        ("filtered_lrelu", (2, 24, 24, 8)),
        ("encoder", (2, 8, 8)),
        ("syncnet", (2, 128)),
        ("prior", (2, BLOCK_FRAMES, 8, 8)),
        ("lpips", (2,)),
    ],
)
def test_shapes_and_operations(part, shape):
    case = tiny_case(part, 2)
    traced = jax.jit(case.run).trace(*case.shapes)
    assert jax.tree.leaves(traced.out_info)[0].shape == shape
    assert flop(traced, traced.lower()) > 1e5


def test_the_training_step_is_that_of_the_stage():
    case = tiny_case("train_step", 2)
    assert set(case.shapes[1]) == {"perceptual", "arcface", "psp", "syncnet"}
    assert case.shapes[2]["window"].shape == (2, 5, 32, 32, 3)
    state, metrics = jax.eval_shape(case.run, *case.shapes)
    assert jax.tree.structure(state) == jax.tree.structure(case.shapes[0])
    assert {"lpips", "id", "sync", "adv", "kl", "disc"} <= set(metrics)


@pytest.mark.parametrize("part", ["filtered_lrelu", "lpips", "syncnet", "prior"])
def test_results_are_finite_and_follow_the_inputs(part):
    case = tiny_case(part, 2)
    found = jax.jit(case.run, compiler_options=QUICK)(*fill(case.shapes))
    for leaf in jax.tree.leaves(found):
        assert np.isfinite(leaf).all()
    first = jax.tree.leaves(found)[0]
    assert first.shape[0] == 2
    assert np.ptp(first) > 1e-6


def test_filtered_lrelu_is_that_of_the_generator(monkeypatch):
    calls = []

    def record(x, *args, **kwargs):
        calls.append((x.shape, x.dtype, args, kwargs))
        return jnp.zeros((len(x), kwargs["out_size"], kwargs["out_size"], x.shape[-1]), x.dtype)

    monkeypatch.setattr(stylegan3_layers, "filtered_lrelu", record)
    found = []
    for part in ("filtered_lrelu", "generator"):
        case = tiny_case(part, 2, "bfloat16")
        calls.clear()
        jax.eval_shape(lambda *a, run=case.run: run(*a), *case.shapes)
        found.append(list(calls))
    assert len(found[0]) == 6
    assert found[0] == found[1]
