"""The paper's recipe, shrunk, takes a step of its stages psp and styletalker from VoxCeleb2's tree.

The stages before them come as imported weights do, here random ones.
"""

import json
import sys

import jax
import numpy as np
import pytest

from configs import styletalker
from jaxtalk.training import recipe
from jaxtalk.training.checkpoint import load_weights, save_weights
from tests import small_recipe
from tests.tfds_builders import corpora, video_trees
from tfds_builders.voxceleb2.voxceleb2_dataset_builder import Voxceleb2

GIVEN = ("perceptual", "arcface", "stylegan3", "syncnet")
TRAINED = ("psp", "styletalker")


def build(folder):
    """An utterance to train on and one to test, as the data set has them; returns its data_dir."""
    for part, identity, number in (("dev", "id00012", 0), ("test", "id00017", 1)):
        name = f"VoxCeleb2/{part}/mp4/{identity}/21Uxsk56VDQ/00001.mp4"
        video_trees.healthy(folder / name, number)
    size = f"--size={small_recipe.SIZE}"
    data_dir = folder / "data"
    _, report = corpora.build(
        Voxceleb2, folder / "VoxCeleb2", data_dir, size, options={"originals": ""}
    )
    assert len(corpora.kept(report)) == 2, report
    return data_dir


def save_random(folder):
    """Weights of the stages that are not trained here; returns the flags that name them."""
    config, rng = styletalker.get_config("paper"), np.random.default_rng(0)
    for name in GIVEN:
        config[name].update(small_recipe.VALUES[name])
        _, stage = recipe.make_stage(config, name)
        state = jax.eval_shape(stage.init, jax.random.key(0), {})
        shapes = jax.eval_shape(stage.export, state, {})
        # Small positive numbers: good for weights and for variances.
        draw = lambda x: rng.uniform(0.02, 0.1, x.shape).astype(x.dtype)  # noqa: E731
        save_weights(folder / name, jax.tree.map(draw, shapes), config)
    return [f"--config.pretrained.{name}={folder / name}" for name in GIVEN]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(work directory, what was printed, folder that holds the corpus)."""
    folder = tmp_path_factory.mktemp("paper")
    data_dir = build(folder)
    result = small_recipe.run(
        [
            *(sys.executable, "-m", "jaxtalk.train", "--config=configs/styletalker.py:paper"),
            *(f"--workdir={folder / 'run'}", "--compilation_cache=", *save_random(folder)),
            *(f"--config.dataset.data_dir={data_dir}", "--config.dataset.num_workers=0"),
            "--config.dataset.eval_split=test",
            *small_recipe.flags(
                {"batch_size": 2, "num_steps": 1, "num_eval_batches": 1}, paper=True
            ),
        ]
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "run", result.stdout, data_dir


def test_both_stages_took_a_step(run):
    workdir, printed, _ = run
    assert "psp: trained by this run" in printed and "styletalker: trained by this run" in printed
    terms = {"psp": {"l2", "lpips", "id", "w_norm"}, "styletalker": {"lpips", "id", "sync", "kl"}}
    for stage in TRAINED:
        lines = map(json.loads, (workdir / stage / "metrics.jsonl").read_text().splitlines())
        values = {name: value for line in lines for name, value in line.items()}
        assert np.isfinite(list(values.values())).all(), values
        for term in terms[stage]:
            assert any(name.endswith(term) for name in values), (term, values)
        networks, config = load_weights(workdir / stage / "weights")
        assert set(recipe.make_stage(config, stage)[1].exports) <= networks.keys()
        assert config.preset == "paper" and config.dataset.name == "voxceleb2/default"
    trained, _ = load_weights(workdir / "styletalker/weights")
    encoder, _ = load_weights(workdir / "psp/weights")
    jax.tree.map(np.testing.assert_array_equal, trained["encoder"], encoder["encoder"])


def test_codes_that_are_encoded_alone_have_the_same_bits(run, tmp_path):
    workdir, _, data_dir = run
    result = small_recipe.run(
        [
            *(sys.executable, "-m", "jaxtalk.encode", "--dataset=voxceleb2/default"),
            *(f"--data_dir={data_dir}", f"--checkpoint={workdir}", f"--out={tmp_path / 'codes'}"),
        ]
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (made_by_training,) = (workdir / "codes").iterdir()
    names = {path.relative_to(made_by_training) for path in made_by_training.rglob("*.*")}
    assert len(names) == 3  # two clips, and codes.json
    for name in names:
        assert (tmp_path / "codes" / name).read_bytes() == (made_by_training / name).read_bytes()
