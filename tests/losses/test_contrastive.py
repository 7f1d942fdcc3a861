import json
from pathlib import Path

import numpy as np
import pytest

from jaxtalk.losses.contrastive import info_nce, recall_at_1, sync_loss

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def refs():
    with np.load(GOLDEN / "flow_refs.npz") as file:
        return {k.removeprefix("nce/"): file[k] for k in file if k.startswith("nce/")}


def test_info_nce_matches_reference(refs):
    loss = info_nce(video=refs["a"], audio=refs["b"], temperature=0.07)
    expected = 0.5 * (refs["row_losses"] + refs["col_losses"])
    noise = json.loads((GOLDEN / "flow_refs.json").read_text())["f32_vs_f64"]["infonce_rows_abs"]
    np.testing.assert_allclose(loss, expected, rtol=0, atol=10 * noise)


def test_info_nce_of_equal_embeddings_is_chance(refs):
    same = np.ones((8, 16), np.float32)
    loss = info_nce(video=same, audio=same, temperature=0.07)
    np.testing.assert_allclose(loss, np.full(8, np.log(8)), rtol=1e-6)


def test_recall_matches_reference(refs):
    values = json.loads((GOLDEN / "flow_refs.json").read_text())["values"]
    assert recall_at_1(video=refs["a"], audio=refs["b"]).mean() == values["infonce_top1_rows"]
    assert recall_at_1(video=refs["b"], audio=refs["a"]).mean() == values["infonce_top1_cols"]


def test_sync_loss_at_known_angles():
    video = np.array([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [1.0, 1.0]])
    audio = np.array([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])
    loss = sync_loss(video=video, audio=audio)
    np.testing.assert_allclose(loss, [0.0, 1.0, 2.0, 1 - np.sqrt(0.5)], atol=1e-6)
