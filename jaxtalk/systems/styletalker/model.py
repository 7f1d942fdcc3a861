"""StyleTalker: reference style code, audio and motion -> style codes of the frames.

Eight blocks (`jaxtalk.systems.styletalker.block`), one for each of the first style vectors, run as
one vmapped block over an audio encoder that they share. The other style vectors keep the
reference's values: they hold identity and fine detail.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.resnet_se import ResNetSE18
from jaxtalk.systems.styletalker.block import StyleBlock

BLOCKS = "blocks"  # name of the vmapped axis


def frame_noise(rng, first_frame, num_frames, shape):
    """Standard normal [num_frames, *shape]; each frame's depends on its index in the clip only.

    So a clip gets the same noise whatever the pieces it is generated in.
    """

    def one(frame):
        return jax.random.normal(jax.random.fold_in(rng, frame), shape)

    return jax.vmap(one)(first_frame + jnp.arange(num_frames))


class StyleTalker(nn.Module):
    """Audio encoder and blocks.

    Collections: params (the blocks' with a leading axis of `num_blocks`), batch_stats.

    Attributes:
      num_blocks: edited style vectors, the first ones.
      num_flow_steps: 0 leaves the normalising flow out.
      joint_prior: whether the prior of each block sees the latents of all blocks up to the frame
        before (a deviation), or its own only (A.3). What moves in several style vectors at once,
        as a head does, is one motion in the posterior; but blocks that are sampled independently
        draw eight unrelated ones. Seeing each other's past, they stay together.
      lip_styles: edited style vectors that hold the lips and nothing else. The posterior does not
        see their motion (a deviation), so that lips come from the speech alone, whoever's motion is
        borrowed. Where lips and head share style vectors, as in A.2, there are none.
      prior_scale: factor of the noise of motion that is drawn (a deviation where it is not 1). A
        prior that learned for hours draws too little, and a small generator turns heads less than
        it is told; this is set by how much training clips move.
      motion_gain: factor of each edited style vector's way from the reference's, when frames are
        generated (a deviation where not all are 1; none are given: all 1). A generator that learned
        from squared errors moves what it cannot place to the pixel less than it is told; this is
        set by how much training clips move.
      audio: fields of `ResNetSE18`.
      block: fields of `StyleBlock`.
      dtype: of the audio encoder; the blocks are float32.
    """

    num_blocks: int = 8
    num_flow_steps: int = 4
    joint_prior: bool = False
    lip_styles: tuple[int, ...] = ()
    prior_scale: float = 1.0
    motion_gain: tuple[float, ...] = ()
    audio: Any = None
    block: Any = None
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self.audio_encoder = ResNetSE18(**(self.audio or {}), dtype=self.dtype)

        def over_blocks(*in_axes):
            return {
                "variable_axes": {"params": 0},
                "split_rngs": {"params": True},
                "in_axes": in_axes,
                "axis_size": self.num_blocks,
                "axis_name": BLOCKS,
            }

        blocks = nn.vmap(
            StyleBlock,
            methods={
                "__call__": over_blocks(0, 0, None, 0),
                "generate": over_blocks(0, 0, None, 0, 0, None, None),
                "initial_carry": over_blocks(None, None),
            },
        )
        self.blocks = blocks(
            num_flow_steps=self.num_flow_steps,
            prior_axis=BLOCKS if self.joint_prior else None,
            **(self.block or {}),
        )

    def encode_audio(self, mel, *, train=False):
        """[B, T, 20, 80] -> float32 [B, T, A]."""
        features = self.audio_encoder(mel.reshape(-1, *mel.shape[2:]), train=train)
        return features.reshape(*mel.shape[:2], -1).astype(jnp.float32)

    def __call__(self, w, mel, rng, *, temperature=1.0, train=False):
        """A whole clip by the posterior; the reference is the clip's first frame.

        Args:
          w: [B, T, num_ws, D].
          mel: [B, T, 20, 80].
          rng: key of the noise.
          temperature: factor of the noise.

        Returns:
          w_hat [B, T, num_ws, D], and BlockOutputs with a leading axis of `num_blocks`.
        """
        edited = self._split(w)
        noise = self._noise(rng, 0, *w.shape[:2]) * temperature
        audio = self.encode_audio(mel, train=train)
        out = self.blocks(edited[:, :, 0], self._without_lips(edited), audio, noise)
        return self._join(out.w_hat, w[:, 0]), out

    def generate(self, w_ref, motion_w, mel, rng, carry, frame, num_frames, temperature):
        """The next N frames of a clip; see `jaxtalk.systems.styletalker.generate`.

        Args:
          w_ref: [B, num_ws, D].
          motion_w: [B, N, num_ws, D], or None for motion from the prior.
          mel: [B, N, 20, 80].
          rng: key of the clip.
          carry, frame, num_frames: see `StyleBlock.generate`.
          temperature: factor of the noise.

        Returns:
          w_hat [B, N, num_ws, D] of the frames frame - lookahead and on, and the carry.
        """
        scale = self.prior_scale if motion_w is None else 1.0
        noise = self._noise(rng, frame, *mel.shape[:2]) * (temperature * scale)
        audio = self.encode_audio(mel)
        edited = None if motion_w is None else self._without_lips(self._split(motion_w))
        reference = self._split(w_ref)
        w_hat, carry = self.blocks.generate(
            reference, edited, audio, noise, carry, frame, num_frames
        )
        if self.motion_gain:
            gain = jnp.array(self.motion_gain)[:, None, None, None]
            w_hat = reference[:, :, None] + gain * (w_hat - reference[:, :, None])
        return self._join(w_hat, w_ref), carry

    def initial_carry(self, batch_size, w_dim):
        """The blocks' state before the first frame."""
        return self.blocks.initial_carry(batch_size, w_dim)

    def _noise(self, rng, first_frame, batch_size, num_frames):
        """[num_blocks, B, N, Z]."""
        shape = (self.num_blocks, batch_size, self.blocks.z_dim)
        return jnp.moveaxis(frame_noise(rng, first_frame, num_frames, shape), 0, 2)

    def _split(self, w):
        """[..., num_ws, D] -> the edited ones, [num_blocks, ..., D]."""
        return jnp.moveaxis(w[..., : self.num_blocks, :], -2, 0)

    def _without_lips(self, edited):
        """[num_blocks, ...], zeros in the place of `lip_styles`."""
        return edited.at[np.array(self.lip_styles, np.int32)].set(0.0)

    def _join(self, edited, w_ref):
        """[num_blocks, B, N, D], the rest of w_ref -> [B, N, num_ws, D]."""
        edited = jnp.moveaxis(edited, 0, 2)
        rest = jnp.broadcast_to(
            w_ref[:, None, self.num_blocks :],
            (*edited.shape[:2], w_ref.shape[1] - self.num_blocks, w_ref.shape[2]),
        )
        return jnp.concatenate([edited, rest], axis=2)


def make_model(model):
    """StyleTalker from `config.model` of the stage."""
    return StyleTalker(
        num_blocks=model.num_blocks,
        num_flow_steps=model.num_flow_steps,
        joint_prior=model.joint_prior,
        lip_styles=tuple(model.lip_styles),
        prior_scale=model.prior_scale,
        motion_gain=tuple(model.motion_gain),
        audio=model.audio.to_dict(),
        block=model.block.to_dict(),
        dtype=jnp.dtype(model.dtype),
    )
