"""Log-mel spectrograms of 16 kHz speech, differentiable.

The values of librosa's `melspectrogram` (sr 16000, n_fft 512, hop 160, win 400 hann, 80 Slaney
bins, 0 to 8000 Hz, power 2, centred with zeros), then ln(max(., 1e-5)).
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax

# The numbers of jaxtalk.core.batch.
SAMPLE_RATE_HZ, FFT, HOP, WINDOW, BINS = 16_000, 512, 160, 400, 80
MELS_PER_FRAME, WINDOW_MELS = 4, 20
_FLOOR = 1e-5


def log_mel(audio):
    """Natural logarithm of the mel power spectrogram, without padding.

    Args:
      audio: float32 [..., S] in [-1, 1], S at least 512. For the frames of a whole recording,
        with frame j centred at sample 160 j, put 256 zeros before and after it.

    Returns:
      float32 [..., 1 + (S - 512) // 160, 80]; frame j covers the samples 160 j .. 160 j + 511.
    """
    num_samples = audio.shape[-1]
    if num_samples < FFT:
        raise ValueError(f"audio: found {num_samples} samples, expected at least {FFT}")
    num_frames = 1 + (num_samples - FFT) // HOP
    # A frame is four hops, the last one cut: slices and no gather.
    padding = max(0, (num_frames + 3) * HOP - num_samples)
    audio = jnp.pad(audio.astype(jnp.float32), [(0, 0)] * (audio.ndim - 1) + [(0, padding)])
    hops = audio[..., : (num_frames + 3) * HOP].reshape(*audio.shape[:-1], num_frames + 3, HOP)
    frames = jnp.concatenate([hops[..., i : i + num_frames, :] for i in range(4)], axis=-1)
    spectrum = jnp.fft.rfft(frames[..., :FFT] * _window())  # [..., N, 257]
    power = spectrum.real**2 + spectrum.imag**2
    mel = jnp.einsum("...f,mf->...m", power, mel_filters(), precision=lax.Precision.HIGHEST)
    return jnp.log(jnp.maximum(mel, _FLOOR))


def mel_windows(audio):
    """The 0.2 s of mel that belong to each of T consecutive video frames.

    Args:
      audio: float32 [B, 640 T + 2912] in [-1, 1], cut by `jaxtalk.media.audio.audio_excerpt`: it
        starts 2 video frames and half an FFT frame before the first of the T video frames.

    Returns:
      float32 [B, T, 20, 80]; window t holds the mel frames 4 (t - 2) .. 4 (t - 2) + 19 of the
      recording, which start two video frames before t.
    """
    mel = log_mel(audio)
    batch, num_mels, _ = mel.shape
    num_blocks = WINDOW_MELS // MELS_PER_FRAME
    num_frames = num_mels // MELS_PER_FRAME - num_blocks + 1
    if num_frames < 1 or audio.shape[-1] != _excerpt_samples(num_frames):
        raise ValueError(
            f"audio: found {audio.shape[-1]} samples, expected 640 T + 2912 for T video frames"
        )
    blocks = mel.reshape(batch, num_frames + num_blocks - 1, MELS_PER_FRAME, BINS)
    return jnp.concatenate([blocks[:, i : i + num_frames] for i in range(num_blocks)], axis=2)


def _excerpt_samples(num_frames):
    return HOP * (MELS_PER_FRAME * (num_frames - 1) + WINDOW_MELS - 1) + FFT


@functools.cache
def _window():
    """Periodic Hann of 400 samples in the middle of 512."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return np.pad(hann, (FFT - WINDOW) // 2).astype(np.float32)


@functools.cache
def mel_filters():
    """Slaney's triangles, each of area 2 / its width in Hz: float32 [80, 257].

    Mel scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz (200 / 3 Hz a mel), above it
    27 steps for a factor of 6.4. In numpy: librosa's first call compiles for seconds.
    """
    linear_hz, step = 200 / 3, np.log(6.4) / 27
    break_hz, break_mel = 1000.0, 15.0
    top_mel = break_mel + np.log(SAMPLE_RATE_HZ / 2 / break_hz) / step
    mels = np.linspace(0, top_mel, BINS + 2)
    edges_hz = np.where(
        mels < break_mel, mels * linear_hz, break_hz * np.exp(step * (mels - break_mel))
    )
    bins_hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (high - low)).astype(np.float32)
