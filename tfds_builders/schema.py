"""The features of a clip, the same in every corpus; procedural_heads/README.md explains them."""

import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.media.expression import NUM_EXPRESSION

NUM_LANDMARKS = 68


def clip_features(*, num_mesh, jpeg):
    """`FeaturesDict` of a clip.

    Args:
      num_mesh: points of `mesh`.
      jpeg: whether `video` is a JPEG for each frame, else the bytes of an mp4.
    """
    text, scalar = tfds.features.Text(), tfds.features.Scalar
    blob = tfds.features.Tensor(shape=(), dtype=np.object_)
    return tfds.features.FeaturesDict(
        {
            "video": tfds.features.Sequence(blob) if jpeg else blob,
            "audio": _array(None, dtype=np.int16),
            "fps": scalar(np.float32),
            "sample_rate_hz": scalar(np.int32),
            "speaker": text,
            "speaker_id": scalar(np.int32),
            "style": text,
            "text": text,
            "landmarks": _array(None, NUM_LANDMARKS, 2),
            "mesh": _array(None, num_mesh, 3),
            "expression": _array(None, NUM_EXPRESSION),
            "pose": _array(None, 6),
            "mouth_box": _array(None, 4),
            "phonemes": _array(None, dtype=np.int32),
            "av_offset_frames": scalar(np.int32),
            "source_id": text,
            "start_s": scalar(np.float32),
        }
    )


def _array(*shape, dtype=np.float32):
    """Stored as raw bytes: a list of numbers takes twice as long to read."""
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES)
