"""The real stage syncnet, shrunk, on a corpus on disk: a command for processes of their own."""

import sys

STAGE = "syncnet"


def command(workdir, dataset, *flags, **values):
    """Arguments that train it; `dataset` is what `tiny_corpus.build_tiny_corpus` returns, `values`
    are those of the stage."""
    shrunk = {
        "dataset.name": dataset["name"],
        "dataset.data_dir": dataset["data_dir"],
        "dataset.eval_split": "test",
        "syncnet.model.image_size": 32,
        "syncnet.model.width": 4,
        "syncnet.model.audio_width": 4,
        "syncnet.model.embedding_dim": 16,
        "syncnet.loss.num_anchors": 4,
        "syncnet.loss.batch_weight": 1.0,
        "syncnet.data.clip_frames": 20,
        "syncnet.num_eval_batches": 1,
        **{f"syncnet.{name}": value for name, value in values.items()},
    }
    return [
        *(sys.executable, "-m", "jaxtalk.train", "--config=configs/syncnet.py"),
        *(f"--workdir={workdir}", f"--compilation_cache={workdir.parent / 'cache'}", *flags),
        *(f"--config.{name}={value}" for name, value in shrunk.items()),
    ]
