"""One StyleTalker block: all that happens to one of the style vectors (supplement A).

Shapes: B clips, T frames, D size of a style vector, A of an audio feature, Z of the latent motion.
Everything is float32: the block is small beside the generator, and its flow must invert.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.flow import Flow
from jaxtalk.nn.lstm import LSTM, zero_carry

CONV_TAPS = 3  # of the smoothing module's learned convolution
LEAK = 0.2
MAX_LOG_STD = 4.0


class BlockOutputs(NamedTuple):
    """What training needs of one pass: [B, T, Z] except `w_hat` [B, T, D]; see `sequence_kl`."""

    w_hat: jax.Array
    z: jax.Array
    mean: jax.Array
    log_std: jax.Array
    u: jax.Array
    prior_mean: jax.Array
    prior_log_std: jax.Array


class BlockCarry(NamedTuple):
    """State between consecutive pieces of one clip.

    origin: [B, D], the motion source's first frame. posterior, prior: LSTM carries. u: [B, Z], the
    prior's latest sample. flow: carries of the flow's LSTMs. context: [B, 2 * lookahead, audio
    code + Z], the latest inputs of the smoothing.
    """

    origin: jax.Array
    posterior: tuple
    prior: tuple
    u: jax.Array
    flow: tuple
    context: jax.Array


def bounded(raw):
    """Log-deviations within (-4, 4), and nearly the raw value in the middle of that range."""
    return MAX_LOG_STD * jnp.tanh(raw / MAX_LOG_STD)


def gaussian_kernel(radius, sigma):
    """[2 * radius + 1], sums to 1."""
    offsets = jnp.arange(-radius, radius + 1, dtype=jnp.float32)
    weights = jnp.exp(-0.5 * jnp.square(offsets / sigma))
    return weights / weights.sum()


class Smoothing(nn.Module):
    """Gaussian filter over time, learned convolution, LeakyReLU (eq. 10).

    At a clip's ends the Gaussian sees the first or last input repeated, and the convolution sees
    zeros. Both come in through `context`, so a piece of a clip and a whole one take the same path.

    Attributes:
      features: output channels.
      radius, sigma: of the Gaussian, in frames; the paper leaves them open.
    """

    features: int
    radius: int
    sigma: float

    @property
    def lookahead(self):
        """Frames on each side of a frame that its output depends on."""
        return self.radius + CONV_TAPS // 2

    @nn.compact
    def __call__(self, context, first_frame, num_frames):
        """Smooths the inner frames of a piece.

        Args:
          context: [B, N + 2 * lookahead, C], the frames first_frame - lookahead and on. Frames
            outside of the clip repeat its first or last one.
          first_frame: int, index in the clip of the first output.
          num_frames: int, length of the clip.

        Returns:
          [B, N, features].
        """
        kernel = gaussian_kernel(self.radius, self.sigma)
        size = context.shape[1] - 2 * self.radius
        x = sum(kernel[k] * context[:, k : k + size] for k in range(2 * self.radius + 1))
        index = first_frame - CONV_TAPS // 2 + jnp.arange(size)
        x = jnp.where(((index >= 0) & (index < num_frames))[:, None], x, 0.0)
        x = nn.Conv(self.features, (CONV_TAPS,), padding="VALID", precision="highest")(x)
        return nn.leaky_relu(x, LEAK)


class Manipulation(nn.Module):
    """Two-way manipulation of the reference style vector (eq. 11), equation kept exactly.

    K1..K4 are dense, LeakyReLU, dense (the paper leaves them open). K4 starts at zero and K3 at
    the constant 5, so that w_hat starts as sigmoid(5) w_ref = 0.993 w_ref.

    Attributes:
      features: size of c_t and of the hidden layers.
    """

    features: int

    @nn.compact
    def __call__(self, w_ref, c):
        """[B, D], [B, T, features] -> [B, T, D]."""

        def dense_pair(name, x, size, **last):
            x = nn.leaky_relu(nn.Dense(self.features, name=f"{name}_hidden")(x), LEAK)
            return nn.Dense(size, name=f"{name}_out", **last)(x)

        zeros, five = nn.initializers.zeros_init(), nn.initializers.constant(5.0)
        w_ref = w_ref[:, None]  # [B, 1, D]
        c = nn.sigmoid(dense_pair("k1", w_ref, self.features)) * c
        c = c + dense_pair("k2", w_ref, self.features)
        gate = nn.sigmoid(dense_pair("k3", c, w_ref.shape[-1], kernel_init=zeros, bias_init=five))
        return gate * w_ref + dense_pair("k4", c, w_ref.shape[-1], kernel_init=zeros)


class StyleBlock(nn.Module):
    """Posterior, prior, flow, smoothing and manipulation of one style vector.

    The autoregressive prior lives behind the flow: u = f(z), with u_t ~ N given u_<t and a_<=t,
    so eq. 8 holds with a determinant of 1, and sampling draws u frame by frame and inverts the
    flow, which is causal. Choices where the paper is silent: the flow is conditioned on the audio
    code; one audio code serves posterior, prior, flow and smoothing; h_0 comes out of the
    posterior's own dense layers; the second LSTM of the prior starts from the state that the first
    one leaves, which is how w_0 conditions all later frames (eq. 7); log-deviations are bounded.

    Attributes:
      z_dim: Z.
      motion_width, motion_dim: dense layers in front of the posterior's LSTM.
      audio_dim: size of the audio code.
      lstm_width: units of the posterior's, prior's and flow's LSTMs.
      num_flow_steps: 0 leaves the flow out (the paper's ablation).
      flow_clamp: bound of the flow's log-scales, before their mean is removed.
      smoothing_width, smoothing_radius, smoothing_sigma: see `Smoothing`.
      relative_motion: whether the posterior's dense layers see what has changed since the first
        frame (a deviation), or the style vector itself (A.2). Where speakers differ far more than
        a speaker moves, the posterior takes many times as long to find the motion by itself.
      prior_axis: name of the vmapped axis whose blocks' latents the prior sees, all of them up to
        the frame before; None, as in A.3, leaves each block with its own.
    """

    z_dim: int = 32
    motion_width: int = 128
    motion_dim: int = 32
    audio_dim: int = 32
    lstm_width: int = 256
    num_flow_steps: int = 4
    flow_clamp: float = 1.5
    smoothing_width: int = 128
    smoothing_radius: int = 2
    smoothing_sigma: float = 1.0
    relative_motion: bool = False
    prior_axis: str | None = None

    def setup(self):
        self.audio_dense = nn.Dense(self.audio_dim)
        self.motion_hidden = nn.Dense(self.motion_width)
        self.motion_out = nn.Dense(self.motion_dim)
        self.posterior_lstm = LSTM(self.lstm_width)
        self.posterior_out = nn.Dense(2 * self.z_dim)
        self.start_lstm = LSTM(self.lstm_width)
        self.start_out = nn.Dense(2 * self.z_dim)
        self.prior_lstm = LSTM(self.lstm_width)
        self.prior_out = nn.Dense(2 * self.z_dim)
        self.flow = Flow(self.num_flow_steps, self.lstm_width, clamp=self.flow_clamp)
        self.smoothing = Smoothing(
            self.smoothing_width, self.smoothing_radius, self.smoothing_sigma
        )
        self.manipulation = Manipulation(self.smoothing_width)

    def __call__(self, w_ref, w, audio, noise):
        """The training pass (eq. 18 on a whole clip).

        Args:
          w_ref: [B, D], reference; w_0 of the clip in training.
          w: [B, T, D], style vectors of the clip.
          audio: [B, T, A], features of the audio encoder.
          noise: [B, T, Z], standard normal.

        Returns:
          BlockOutputs.
        """
        audio = self.audio_dense(audio)
        mean, log_std, _ = self.posterior(w, w[:, 0], audio)
        z = mean + jnp.exp(log_std) * noise
        u, _ = self.flow(z, audio)
        prior_mean, prior_log_std = self.prior(w_ref, u, audio)
        ahead = self.smoothing.lookahead
        context = jnp.concatenate([audio, z], axis=-1)
        context = jnp.pad(context, ((0, 0), (ahead, ahead), (0, 0)), mode="edge")
        c = self.smoothing(context, 0, w.shape[1])
        w_hat = self.manipulation(w_ref, c)
        return BlockOutputs(w_hat, z, mean, log_std, u, prior_mean, prior_log_std)

    def posterior(self, w, origin, audio, carry=None):
        """q(z_t | a_<=t, w_<=t), eq. 5 and 6.

        Args:
          w: [B, T, D].
          origin: [B, D], w of the first frame of the clip.
          audio: [B, T, code].
          carry: of the LSTM, from the frames before.

        Returns:
          Mean and logarithm of the deviation, [B, T, Z], and the carry.
        """
        motion = self._motion(w - origin[:, None] if self.relative_motion else w)
        hidden, carry = self.posterior_lstm(jnp.concatenate([motion, audio], axis=-1), carry)
        mean, log_std = jnp.split(self.posterior_out(hidden), 2, axis=-1)
        return mean, bounded(log_std), carry

    def prior(self, w_ref, u, audio):
        """p(u_t | u_<t, a_<=t, w_ref), eq. 7: [B, T, Z] -> mean, log_std, each [B, T, Z]."""
        mean, log_std, carry = self._start(w_ref)
        inputs = jnp.concatenate([self._shared(u[:, :-1]), audio[:, 1:]], axis=-1)
        hidden, _ = self.prior_lstm(inputs, carry)
        means, log_stds = jnp.split(self.prior_out(hidden), 2, axis=-1)
        means = jnp.concatenate([mean[:, None], means], axis=1)
        return means, jnp.concatenate([log_std[:, None], bounded(log_stds)], axis=1)

    def sample_prior(self, w_ref, audio, noise, carry, u, frame):
        """u of N frames, one after the other (eq. 19).

        Args:
          w_ref: [B, D].
          audio: [B, N, code].
          noise: [B, N, Z], standard normal times the temperature.
          carry, u: `prior` and `u` of BlockCarry.
          frame: int, index in the clip of the first of the N frames.

        Returns:
          [B, N, Z], the carry.
        """
        start = self._start(w_ref)

        def step(block, state, inputs, start):
            carry, u = state
            audio, noise, frame = inputs
            inputs = jnp.concatenate([block._shared(u), audio], axis=-1)
            hidden, carry = block.prior_lstm(inputs[:, None], carry)
            mean, log_std = jnp.split(block.prior_out(hidden[:, 0]), 2, axis=-1)
            usual = (mean, bounded(log_std), carry)
            mean, log_std, carry = jax.tree.map(
                lambda a, b: jnp.where(frame == 0, a, b), start, usual
            )
            u = mean + jnp.exp(log_std) * noise
            return (carry, u), u

        scan = nn.scan(
            step,
            variable_broadcast="params",
            split_rngs={"params": False},
            in_axes=((1, 1, 0), nn.broadcast),
            out_axes=1,
        )
        frames = frame + jnp.arange(audio.shape[1])
        (carry, _), samples = scan(self, (carry, u), (audio, noise, frames), start)
        return samples, carry

    def generate(self, w_ref, w, audio, noise, carry, frame, num_frames):
        """The next N frames of a clip; see `jaxtalk.systems.styletalker.generate`.

        Args:
          w_ref: [B, D].
          w: [B, N, D] style vectors of the motion source (eq. 18), or None to draw the motion from
            the prior (eq. 19).
          audio, noise: as above, [B, N, A] and [B, N, Z].
          carry: BlockCarry.
          frame: int, index in the clip of the first of the N frames.
          num_frames: int, length of the clip, or anything beyond where it is not known yet.

        Returns:
          w_hat [B, N, D] of the frames frame - lookahead and on, and the carry.
        """
        audio = self.audio_dense(audio)
        origin, posterior, prior, u, flow, _ = carry
        if w is None:
            samples, prior = self.sample_prior(w_ref, audio, noise, prior, u, frame)
            z, flow = self.flow(samples, audio, flow, inverse=True)
            u = samples[:, -1]
        else:
            origin = jnp.where(frame == 0, w[:, 0], origin)
            mean, log_std, posterior = self.posterior(w, origin, audio, posterior)
            z = mean + jnp.exp(log_std) * noise
        inputs = jnp.concatenate([audio, z], axis=-1)
        context = jnp.concatenate([carry.context, inputs], axis=1)
        # Beyond an end of the clip its first or last frame is repeated.
        first = frame - carry.context.shape[1]
        index = jnp.clip(first + jnp.arange(context.shape[1]), 0, num_frames - 1) - first
        context = jnp.take(context, index, axis=1, mode="clip")
        c = self.smoothing(context, frame - self.smoothing.lookahead, num_frames)
        kept = context[:, audio.shape[1] :]
        return self.manipulation(w_ref, c), BlockCarry(origin, posterior, prior, u, flow, kept)

    def initial_carry(self, batch_size, w_dim):
        """BlockCarry before the first frame of a clip."""
        context_dim = self.audio_dim + self.z_dim
        return BlockCarry(
            origin=jnp.zeros((batch_size, w_dim), jnp.float32),
            posterior=zero_carry(batch_size, self.lstm_width),
            prior=zero_carry(batch_size, self.lstm_width),
            u=jnp.zeros((batch_size, self.z_dim), jnp.float32),
            flow=self.flow.initial_carry(batch_size),
            context=jnp.zeros((batch_size, 2 * self.smoothing.lookahead, context_dim), jnp.float32),
        )

    def _motion(self, w):
        """[..., D] -> [..., motion_dim] in (-1, 1)."""
        return jnp.tanh(self.motion_out(nn.leaky_relu(self.motion_hidden(w), LEAK)))

    def _shared(self, u):
        """[..., Z] -> what the prior sees of it: [..., Z], or [..., blocks * Z]."""
        if self.prior_axis is None:
            return u
        return jax.lax.all_gather(u, self.prior_axis, axis=u.ndim - 1, tiled=True)

    def _start(self, w_ref):
        """Distribution of u_0, and the state that the second LSTM starts from."""
        hidden, carry = self.start_lstm(self._motion(w_ref)[:, None])
        mean, log_std = jnp.split(self.start_out(hidden[:, 0]), 2, axis=-1)
        return mean, bounded(log_std), carry
