"""A small corpus to read from: pictures that move, as JPEG of each frame or as one mp4."""

import contextlib
import io
import pathlib

import numpy as np
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jaxtalk.core.batch import FPS, SAMPLES_PER_FRAME
from jaxtalk.data.codes import encode_corpus
from jaxtalk.media.image import encode_jpeg
from jaxtalk.media.video_writer import VideoWriter

NUM_CLIPS = 4
_SPLIT = "train"


def pictures(num_frames, size):
    """uint8 [T, size, size, 3]: coarse and fine patterns that sway, and a little noise.

    A frame takes as many bytes as one of a drawn or recorded head, more or less.
    """
    rng = np.random.default_rng(0)
    grid = np.mgrid[:size, :size] / size
    waves = rng.standard_normal((12, 2)) * np.geomspace(4, 80, 12)[:, None]
    colours = rng.standard_normal((12, 3)) * np.geomspace(40, 4, 12)[:, None]
    frames = []
    for t in range(num_frames):
        phase = np.tensordot(waves, grid, 1) + 2 * np.sin(0.2 * t + np.arange(12))[:, None, None]
        frame = 128 + np.tensordot(np.sin(phase), colours, ((0,), (0,)))
        frames.append(frame + rng.standard_normal((size, size, 1)))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def video_field(kind, frames, folder):
    """The `video` of a clip: kind "jpeg" or "mp4", as the builders write it."""
    if kind == "jpeg":
        return [encode_jpeg(frame) for frame in frames]
    path = pathlib.Path(folder) / "clip.mp4"
    with VideoWriter(path, key_every=FPS) as writer:
        for frame in frames:
            writer.write(frame)
    return path.read_bytes()


class BenchClips(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The same clip several times, with silence."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, video, num_frames, **kwargs):
        self._video, self._num_frames = video, num_frames
        super().__init__(file_format="array_record", **kwargs)

    def _info(self):
        blob = tfds.features.Tensor(shape=(), dtype=np.object_)
        is_mp4 = isinstance(self._video, bytes)
        features = {
            "video": blob if is_mp4 else tfds.features.Sequence(blob),
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16),
            "av_offset_frames": np.int32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        del dl_manager
        return {_SPLIT: self._generate_examples()}

    def _generate_examples(self):
        audio = np.zeros(SAMPLES_PER_FRAME * self._num_frames, np.int16)
        for clip in range(NUM_CLIPS):
            yield clip, {"video": self._video, "audio": audio, "av_offset_frames": 0}


def write_corpus(folder, video, num_frames, code_shape):
    """Writes a corpus of one clip, several times, and style codes of it, all 0.

    Returns:
      Arguments of `jaxtalk.data.loader.make_loader`: dict of `dataset`, `split`, `codes_dir`.
    """
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):  # tells of a download
        BenchClips(video, num_frames, data_dir=folder).download_and_prepare()
    dataset = ConfigDict({"name": BenchClips.name, "data_dir": str(folder), "num_workers": 0})
    codes_dir = pathlib.Path(folder) / "codes"
    encode_corpus(
        dataset,
        lambda frames: np.zeros((len(frames), *code_shape), np.float32),
        **{"weights_digest": "none", "codes_dir": codes_dir, "splits": (_SPLIT,)},
        say=lambda line: None,
    )
    return {"dataset": dataset, "split": _SPLIT, "codes_dir": codes_dir}
