import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.systems.styletalker.block import Manipulation, StyleBlock
from jaxtalk.systems.styletalker.model import StyleTalker, frame_noise

FIELDS = {"z_dim": 4, "motion_width": 8, "motion_dim": 6, "audio_dim": 5, "lstm_width": 8}
FIELDS |= {"num_flow_steps": 2, "smoothing_width": 8}


def randomised(init, *args, scale=0.3):
    """Variables of the right shapes, none of them zero as some are at the start of training."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(init, jax.random.key(0), *args)

    def leaf(path, x):
        values = scale * rng.standard_normal(x.shape)
        return jnp.asarray(np.exp(values) if path[-1].key == "var" else values, jnp.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes)


@pytest.fixture(scope="module")
def clip():
    """w_ref [1, 7], w [1, 6, 7], audio [1, 6, 3], noise [1, 6, 4]."""
    rngs = jax.random.split(jax.random.key(0), 4)
    shapes = (1, 7), (1, 6, 7), (1, 6, 3), (1, 6, 4)
    return [jax.random.normal(k, shape) for k, shape in zip(rngs, shapes)]


@pytest.fixture(scope="module")
def block(clip):
    module = StyleBlock(**FIELDS)
    return module, randomised(module.init, *clip)


def reach(function, x):
    """[output frame, input frame]: whether one depends on the other; both [1, T, ...]."""
    jacobian = np.asarray(jax.jit(jax.jacfwd(function))(x))[0, :, :, 0]
    return np.abs(jacobian).max(axis=(1, 3)) > 0


def test_posterior_is_causal_and_sees_all_of_the_past(block, clip):
    module, variables = block
    w_ref, w, audio, noise = clip
    lower = np.tril(np.ones((6, 6), bool))
    on_w = reach(lambda w: module.apply(variables, w_ref, w, audio, noise).mean, w)
    on_audio = reach(lambda a: module.apply(variables, w_ref, w, a, noise).log_std, audio)
    np.testing.assert_array_equal(on_w, lower)
    np.testing.assert_array_equal(on_audio, lower)


def test_relative_motion_is_what_has_changed_since_the_first_frame(block, clip):
    module, variables = block
    w_ref, w, audio, noise = clip
    moved, other = (
        module.clone(relative_motion=relative).apply(variables, w_ref, w + 3.0, audio, noise).mean
        for relative in (True, False)
    )
    still = module.clone(relative_motion=True).apply(variables, w_ref, w, audio, noise).mean
    np.testing.assert_allclose(moved, still, atol=1e-5)
    usual = module.apply(variables, w_ref, w, audio, noise).mean
    assert np.abs(other - usual).max() > 0.01
    later = w.at[:, 3].add(1.0)
    changed = module.clone(relative_motion=True).apply(variables, w_ref, later, audio, noise).mean
    np.testing.assert_array_equal(changed[:, :3], still[:, :3])
    assert np.abs(changed[:, 3:] - still[:, 3:]).min() > 0


def test_prior_sees_earlier_latents_and_audio_up_to_now(block, clip):
    module, variables = block
    w_ref, _, _, u = clip
    codes = jax.random.normal(jax.random.key(3), (1, 6, FIELDS["audio_dim"]))
    on_u = reach(lambda u: module.apply(variables, w_ref, u, codes, method="prior")[0], u)
    np.testing.assert_array_equal(on_u, np.tril(np.ones((6, 6), bool), -1))
    on_audio = reach(lambda a: module.apply(variables, w_ref, u, a, method="prior")[1], codes)
    expected = np.tril(np.ones((6, 6), bool))
    expected[:, 0] = False  # eq. 7: z_0 depends on the first frame only
    np.testing.assert_array_equal(on_audio, expected)
    mean_of_reference = jax.jit(
        jax.jacfwd(lambda w: module.apply(variables, w, u, codes, method="prior")[0])
    )(w_ref)
    assert np.all(np.abs(mean_of_reference).max(axis=(0, 2, 3, 4)) > 0)


def test_samples_of_the_prior_have_its_teacher_forced_distribution(block, clip):
    """Feeding the samples back as u gives the means and deviations they were drawn with."""
    module, variables = block
    w_ref, _, _, noise = clip
    codes = jax.random.normal(jax.random.key(3), (1, 6, FIELDS["audio_dim"]))
    carry = module.apply({}, 1, 7, method="initial_carry")
    u, _ = module.apply(
        variables, w_ref, codes, noise, carry.prior, carry.u, 0, method="sample_prior"
    )
    mean, log_std = module.apply(variables, w_ref, u, codes, method="prior")
    np.testing.assert_allclose(u, mean + jnp.exp(log_std) * noise, rtol=0, atol=1e-5)


def test_flow_clamp_bounds_the_flow_alone(block, clip):
    module, variables = block
    usual = module.apply(variables, *clip)
    clamped = module.clone(flow_clamp=0.01).apply(variables, *clip)
    np.testing.assert_array_equal(clamped.z, usual.z)
    np.testing.assert_array_equal(clamped.w_hat, usual.w_hat)
    assert np.abs(clamped.u - usual.u).max() > 1e-3


def test_starts_near_the_reference():
    w_ref, c = jax.random.normal(jax.random.key(0), (2, 1, 5))
    module = Manipulation(5)
    w_hat = module.apply(module.init(jax.random.key(1), w_ref, c[:, None]), w_ref, c[:, None])
    np.testing.assert_allclose(w_hat[:, 0], w_ref / (1 + np.exp(-5.0)), rtol=1e-5)


def test_manipulation_matches_float64_numpy():
    rng = np.random.default_rng(0)
    w_ref, c = rng.standard_normal((2, 7)), rng.standard_normal((2, 4, 5))
    module = Manipulation(5)
    variables = randomised(module.init, jnp.asarray(w_ref), jnp.asarray(c), scale=1.0)
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), variables["params"])

    def k(i, x):
        hidden = x @ p[f"k{i}_hidden"]["kernel"] + p[f"k{i}_hidden"]["bias"]
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
        return hidden @ p[f"k{i}_out"]["kernel"] + p[f"k{i}_out"]["bias"]

    def sigma(x):
        return 1 / (1 + np.exp(-x))

    w_hat = module.apply(variables, jnp.asarray(w_ref), jnp.asarray(c))
    for b in range(2):
        for t in range(4):
            c_prime = sigma(k(1, w_ref[b])) * c[b, t] + k(2, w_ref[b])
            expected = sigma(k(3, c_prime)) * w_ref[b] + k(4, c_prime)
            np.testing.assert_allclose(w_hat[b, t], expected, rtol=2e-5, atol=2e-5)


def small_model(*, joint_prior):
    return StyleTalker(
        num_flow_steps=FIELDS["num_flow_steps"],
        joint_prior=joint_prior,
        audio={"width": 2, "output_dim": 3},
        block={k: v for k, v in FIELDS.items() if k != "num_flow_steps"},
    )


def test_vmapped_block_equals_eight_single_ones():
    model = small_model(joint_prior=False)
    w = jax.random.normal(jax.random.key(0), (2, 4, 16, 7))
    mel = jax.random.normal(jax.random.key(1), (2, 4, 20, 80))
    rng = jax.random.key(2)
    variables = randomised(model.init, w, mel, rng)
    w_hat, out = jax.jit(model.apply)(variables, w, mel, rng)
    encode = jax.jit(functools.partial(model.apply, method="encode_audio"))
    audio = encode(variables, mel)
    noise = frame_noise(rng, 0, 4, (8, 2, FIELDS["z_dim"])).transpose(1, 2, 0, 3)
    single = jax.jit(StyleBlock(**FIELDS).apply)
    for i in range(8):
        block_params = {"params": jax.tree.map(lambda x, i=i: x[i], variables["params"]["blocks"])}
        expected = single(block_params, w[:, 0, i], w[:, :, i], audio, noise[i])
        np.testing.assert_allclose(w_hat[:, :, i], expected.w_hat, rtol=0, atol=2e-5)
        np.testing.assert_allclose(out.prior_mean[i], expected.prior_mean, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(w_hat[:, :, 8:], np.repeat(w[:, :1, 8:], 4, axis=1))


@pytest.mark.parametrize("joint_prior", [False, True])
def test_joint_prior_sees_what_the_other_blocks_did_before(joint_prior):
    model = small_model(joint_prior=joint_prior)
    w = jax.random.normal(jax.random.key(0), (1, 5, 16, 7))
    mel, rng = jnp.zeros((1, 5, 20, 80)), jax.random.key(1)
    variables = randomised(model.init, w, mel, rng)
    apply = jax.jit(lambda w: model.apply(variables, w, mel, rng)[1])
    one, other = apply(w), apply(w.at[:, 2, 1].add(1.0))  # style 1 moves in frame 2
    changed = {
        name: np.any(getattr(one, name) != getattr(other, name), axis=(1, 3))  # [blocks, T]
        for name in ("mean", "prior_mean")
    }
    np.testing.assert_array_equal(changed["mean"][:, 2], np.arange(8) == 1)
    expected = np.zeros((8, 5), bool)
    expected[1, 3:] = True
    if joint_prior:
        expected[:, 3:] = True
    np.testing.assert_array_equal(changed["prior_mean"], expected)
