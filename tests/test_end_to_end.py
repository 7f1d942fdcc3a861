"""Every stage of the real recipe, shrunk, from a corpus on disk to a talking head in an mp4."""

import json
import os
import subprocess
import sys

import av
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxtalk.core.batch import to_unit
from jaxtalk.data.codes import read_codes
from jaxtalk.data.source import open_corpus
from jaxtalk.media.audio import write_wav
from jaxtalk.media.image import write_png
from jaxtalk.media.video import decode_frames
from jaxtalk.nn.psp import Encoder, style_codes
from jaxtalk.talker import Talker
from jaxtalk.training import recipe
from jaxtalk.training.checkpoint import load_weights
from tests import small_recipe, tiny_corpus
from tests.small_recipe import ROOT, SIZE, STAGES


def train(workdir, dataset):
    counts = {"batch_size": 4, "num_steps": 2, "num_eval_batches": 1}
    return small_recipe.run(
        [
            *(sys.executable, "-m", "jaxtalk.train", "--config=configs/styletalker.py:scratch"),
            *(f"--workdir={workdir}", "--compilation_cache="),
            *(f"--config.dataset.{name}={value}" for name, value in dataset.items()),
            *("--config.dataset.eval_split=test", "--config.styletalker.loss.code_steps=1"),
            *small_recipe.flags(counts),
        ]
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(work directory, what training printed, dataset)."""
    folder = tmp_path_factory.mktemp("end_to_end")
    dataset = tiny_corpus.build_tiny_corpus(folder / "corpus", image_size=SIZE)
    result = train(folder / "run", dataset)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "run", result.stdout, dataset


def test_every_stage_was_trained(run):
    workdir, printed, _ = run
    for stage in STAGES:
        assert f"{stage}: trained by this run" in printed
        lines = map(json.loads, (workdir / stage / "metrics.jsonl").read_text().splitlines())
        values = {name: value for line in lines for name, value in line.items()}
        assert any(name.startswith("eval/") for name in values)
        assert np.isfinite(list(values.values())).all(), values
        assert list((workdir / stage / "previews").rglob("*.png")) or stage == "syncnet"
        networks, config = load_weights(workdir / stage / "weights")
        assert set(recipe.make_stage(config, stage)[1].exports) <= networks.keys()


def test_cached_codes_are_those_of_the_trained_encoder(run):
    workdir, _, dataset = run
    variables, config = load_weights(workdir / "psp" / "weights")
    (codes_dir,) = (workdir / "codes").iterdir()
    corpus = open_corpus(ConfigDict(dataset), "train")
    for clip in (0, len(corpus) - 1):
        codes = read_codes(codes_dir, "train", clip)
        frames = decode_frames(corpus[clip]["video"], [0, len(codes) - 1])
        encoder = Encoder(**config.psp.model.encoder, image_size=SIZE)
        expected = style_codes(encoder, variables, to_unit(np.stack(frames)))
        np.testing.assert_allclose(codes[[0, -1]], expected, rtol=1e-3, atol=1e-4)


def test_the_same_command_again_does_nothing(run):
    workdir, _, dataset = run
    again = train(workdir, dataset)
    assert again.returncode == 0
    assert "styletalker: finished here" in again.stdout
    assert "trains on" not in again.stdout


def test_the_trained_head_talks(run, tmp_path):
    workdir, _, _ = run
    write_png(tmp_path / "me.png", np.full((48, 64, 3), 90, np.uint8))
    noise = 0.2 * np.random.default_rng(0).standard_normal(8000)
    write_wav(tmp_path / "talk.wav", noise.astype(np.float32))
    frames = np.concatenate(
        list(Talker.load(workdir).generate(tmp_path / "me.png", tmp_path / "talk.wav"))
    )
    assert frames.shape == (13, SIZE, SIZE, 3)
    subprocess.run(
        [
            *(sys.executable, "-m", "jaxtalk.generate", f"--checkpoint={workdir}"),
            *(f"--image={tmp_path}/me.png", f"--audio={tmp_path}/talk.wav"),
            f"--out={tmp_path}/talk.mp4",
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    with av.open(tmp_path / "talk.mp4") as video:
        decoded = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(decoded) == 13
    assert np.abs(np.stack(decoded).astype(float) - frames).mean() < 8, (
        "compression apart, the same"
    )
