"""A corpus in the schema of the real ones, built in a second, for tests of whatever reads one.

The pixels of a frame say which clip and which frame it is (see `clip_of` and `frame_of`), so that
tests can check what was cut from where; the sound of a clip is noise of its own.
"""

import dataclasses
import io

import av
import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.media.image import encode_jpeg

NAME = "tiny_heads/default"
NUM_VERTICES = 7


@dataclasses.dataclass
class TinyConfig(tfds.core.BuilderConfig):
    """Clip i of a split has num_frames + 4 (i mod 3) frames."""

    image_size: int = 32
    num_train: int = 6
    num_test: int = 3
    num_frames: int = 40
    mp4: bool = False


class TinyHeads(tfds.core.GeneratorBasedBuilder):
    """Solid colours and noise."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        def per_frame(*shape):
            return tfds.features.Tensor(shape=(None, *shape), dtype=np.float32)

        blob = tfds.features.Tensor(shape=(), dtype=np.object_)
        features = {
            "video": blob if self.builder_config.mp4 else tfds.features.Sequence(blob),
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16),
            "fps": np.float32,
            "sample_rate_hz": np.int32,
            "speaker": tfds.features.Text(),
            "speaker_id": np.int32,
            "style": tfds.features.Text(),
            "landmarks": per_frame(68, 2),
            "mesh": per_frame(NUM_VERTICES, 3),
            "expression": per_frame(64),
            "pose": per_frame(6),
            "mouth_box": per_frame(4),
            "phonemes": tfds.features.Tensor(shape=(None,), dtype=np.int32),
            "av_offset_frames": np.int32,
            "source_id": tfds.features.Text(),
            "start_s": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        del dl_manager
        return {
            "train": self._generate_examples("train", self.builder_config.num_train),
            "test": self._generate_examples("test", self.builder_config.num_test),
        }

    def _generate_examples(self, split, num_clips):
        config, size = self.builder_config, self.builder_config.image_size
        for clip in range(num_clips):
            num_frames = config.num_frames + 4 * (clip % 3)
            rng = np.random.default_rng([clip, split == "test"])
            frames = [_picture(clip, t, size) for t in range(num_frames)]
            yield (
                clip,
                {
                    "video": _mp4(frames) if config.mp4 else [encode_jpeg(f) for f in frames],
                    "audio": rng.integers(-8000, 8000, 640 * num_frames).astype(np.int16),
                    "fps": 25.0,
                    "sample_rate_hz": 16000,
                    "speaker": f"{split}_{clip % 3}",
                    "speaker_id": clip % 3,
                    "style": "neutral_1",
                    "landmarks": rng.uniform(0, size, (num_frames, 68, 2)).astype(np.float32),
                    "mesh": rng.standard_normal((num_frames, NUM_VERTICES, 3)).astype(np.float32),
                    "expression": rng.standard_normal((num_frames, 64)).astype(np.float32),
                    "pose": rng.uniform(-0.3, 0.3, (num_frames, 6)).astype(np.float32),
                    "mouth_box": np.tile(np.float32([0.3, 0.6, 0.7, 0.9]) * size, (num_frames, 1)),
                    "phonemes": rng.integers(0, 41, num_frames).astype(np.int32),
                    "av_offset_frames": 0,
                    "source_id": f"{split}_{clip}",
                    "start_s": 0.0,
                },
            )


def build_tiny_corpus(data_dir, **values):
    """Builds `tiny_heads/default` under a folder; values are the fields of `TinyConfig`.

    Returns the plain values of a recipe's `dataset`.
    """
    tfds.disable_progress_bar()
    config = TinyConfig(name="default", **values)
    builder = TinyHeads(data_dir=data_dir, config=config, file_format="array_record")
    builder.download_and_prepare()
    return {"name": NAME, "data_dir": str(data_dir), "num_workers": 0}


def clip_of(images):
    """uint8 [..., H, W, 3] -> number of the clip in its split."""
    return np.round(images[..., 0].mean((-2, -1)) / 20).astype(int)


def frame_of(images):
    """uint8 [..., H, W, 3] -> number of the frame in its clip, below 60."""
    return np.round(images[..., 1].mean((-2, -1)) / 4).astype(int)


def _picture(clip, frame, size):
    blue = np.broadcast_to(np.linspace(0, 200, size)[:, None], (size, size))
    return np.stack(
        [np.full_like(blue, 20 * clip), np.full_like(blue, 4 * frame), blue], -1
    ).astype(np.uint8)


def _mp4(frames):
    """An mp4 of few key frames, so that reading it has to seek and decode on."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4", "g": "16"})
        stream.width, stream.height, stream.pix_fmt = (
            frames[0].shape[1],
            frames[0].shape[0],
            "yuv444p",
        )
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
