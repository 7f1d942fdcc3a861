"""The command line against a small corpus of meshes."""

import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxtalk.media.expression import load_basis
from tfds_builders import fit_expression_basis


@dataclasses.dataclass
class MeshConfig(tfds.core.BuilderConfig):
    """Frames of each of the four clips; without meshes it is no corpus for this."""

    num_frames: int = 60
    meshes: bool = True


class Meshes(tfds.core.GeneratorBasedBuilder):
    """Meshes of 30 vertices that move along one direction, of two speakers."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"speaker": tfds.features.Text()}
        if self.builder_config.meshes:
            features["mesh"] = tfds.features.Tensor(shape=(None, 30, 3), dtype=np.float32)
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        rng = np.random.default_rng(0)
        for i in range(4):
            shape = np.random.default_rng(i % 2).normal(0, 3, (30, 3))
            meshes = np.repeat(shape[None], self.builder_config.num_frames, axis=0)
            meshes[:, 7, 1] += rng.normal(0, 2, len(meshes))
            example = {"speaker": f"speaker_{i % 2}"}
            if self.builder_config.meshes:
                noise = rng.normal(0, 0.01, meshes.shape)
                example["mesh"] = (meshes + noise).astype(np.float32)
            yield f"clip_{i}", example


def build(directory, **config):
    config = MeshConfig(name="default", **config)
    builder = Meshes(data_dir=directory, config=config, file_format="array_record")
    builder.download_and_prepare()
    return str(builder.data_path)


def test_fits_and_tells(tmp_path, capsys):
    out = tmp_path / "basis.npz"
    fit_expression_basis.main(["--dataset", build(tmp_path), "--out", str(out)])
    assert "240 meshes in 4 clips" in capsys.readouterr().out
    basis = load_basis(out)
    direction = basis.components[0].reshape(30, 3)
    assert direction[7, 1] > 0.99
    assert basis.scale[0] == pytest.approx(2, rel=0.15) and basis.scale[1] < 0.1


@pytest.mark.parametrize(
    ("config", "arguments", "fault"),
    [
        ({}, ["--split", "test"], "--split: found test, expected one of train"),
        ({"num_frames": 10}, [], "meshes: found 40 of 2 speakers, expected at least 66"),
        ({"meshes": False}, [], "--dataset: found no mesh"),
        (None, [], "--dataset: found no dataset_info.json"),
    ],
)
def test_faults(tmp_path, config, arguments, fault):
    directory = str(tmp_path) if config is None else build(tmp_path, **config)
    out = tmp_path / "basis.npz"
    with pytest.raises(SystemExit, match=fault):
        fit_expression_basis.main(["--dataset", directory, "--out", str(out), *arguments])
    assert not out.exists()
