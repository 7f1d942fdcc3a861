"""Schema of the batches that the loader makes and the stages take.

| key            | shape                   | dtype   | range and unit                             |
|----------------|-------------------------|---------|--------------------------------------------|
| `frames`       | [B, H, W, 3]            | uint8   | RGB 0..255                                 |
| `video`        | [B, T, H, W, 3]         | uint8   | RGB 0..255, consecutive frames at 25 fps   |
| `window`       | [B, T_w, H, W, 3]       | uint8   | the real frames `window_start .. + T_w`    |
| `window_start` | [B]                     | int32   | where the window begins in the codes       |
| `w`            | [B, T, num_ws, w_dim]   | float32 | style codes of consecutive frames          |
| `audio`        | [B, excerpt_samples(T)] | int16   | 16 kHz mono, see `jaxtalk.ops.mel`         |
| `landmarks`    | [B, 68, 2]              | float32 | -1 left or top edge, 1 right or bottom;    |
|                |                         |         | [B, 2, 68, 2] of pairs of frames           |
| `pose`         | [B, 6]                  | float32 | yaw, pitch, roll in rad; x, y, z in cm;    |
|                |                         |         | [B, 2, 6] of pairs of frames               |
| `expression`   | [B, 64]                 | float32 | coefficients of the corpus' own basis      |
| `speaker_id`   | [B]                     | int32   | dense index inside the training split      |
"""

import jax.numpy as jnp
import numpy as np

SAMPLE_RATE_HZ = 16_000
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS  # 640
MEL_HOP, MEL_FFT, MEL_WINDOW, MEL_BINS = 160, 512, 400, 80
MELS_PER_FRAME = SAMPLES_PER_FRAME // MEL_HOP  # 4
MEL_FRAMES = 20  # 0.2 s of mel for each video frame
MEL_LEAD_FRAMES = 2  # the window of frame t starts two video frames before t


def excerpt_samples(num_frames):
    """Samples of audio that the mel windows of `num_frames` consecutive video frames need."""
    return SAMPLES_PER_FRAME * (num_frames - 1) + MEL_HOP * (MEL_FRAMES - 1) + MEL_FFT


def to_unit(images):
    """uint8 0..255 -> float32 [-1, 1]."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(images):
    """[-1, 1], clipped -> uint8 0..255, rounded to nearest; numpy in, numpy out, else jnp."""
    xp = np if isinstance(images, np.ndarray) else jnp
    return xp.clip(xp.round((images + 1.0) * 127.5), 0, 255).astype(xp.uint8)


def example_batch(batch_spec, batch_size):
    """Zeros of the shapes and dtypes of a spec, for tests, tracing and cost analysis."""
    return {k: np.zeros((batch_size, *shape), dtype) for k, (shape, dtype) in batch_spec.items()}
