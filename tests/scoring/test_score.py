"""One clip to its values: chunks, rows beside the prediction, faces that are not there."""

import tracemalloc

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.landmarks import mouth_lmd
from jaxtalk.metrics.protocols import NO_REFERENCE
from jaxtalk.scoring import observers, score, summary
from jaxtalk.scoring.metrics import METRICS
from tests.scoring import small_clips as small

FACES = ("m_lmd", "csim", "silence", "blinks", "jerk")


def psnr(fake, real):
    error = np.mean((fake.astype(float) - real) ** 2, axis=(1, 2, 3))
    return np.mean(10 * np.log10(255**2 / np.maximum(error, 255**2 / 10**9.9)))


def test_values_do_not_depend_on_chunks():
    pred, real = small.frames(70, 1), small.frames(70, 2)
    record, _ = score.score_clip(small.clip(pred, real), ("psnr", *FACES), small.OBSERVERS)
    values = record["values"]
    assert (record["frames"], record["size"], record["notes"]) == (70, [32, 32], [])
    assert values["pred"]["psnr"] == pytest.approx(psnr(pred, real), rel=1e-5)
    still = np.repeat(real[:1], 13, axis=0)
    assert values["static"]["psnr"] == pytest.approx(psnr(still, real[5::5]), rel=1e-5)
    assert values["real"]["psnr"] == 99
    points = [small.landmarks_of(x) for x in (pred, real)]
    assert values["pred"]["m_lmd"] == pytest.approx(mouth_lmd(*points).mean())
    assert values["real"]["m_lmd"] == 0 and values["static"]["jerk"] == pytest.approx(0, abs=1e-9)
    faces = pred.mean((1, 2)), real[0].mean((0, 1))
    cosines = faces[0] @ faces[1] / np.linalg.norm(faces[0], axis=1) / np.linalg.norm(faces[1])
    assert values["pred"]["csim"] == pytest.approx(cosines.mean())
    assert values["static"]["csim"] == pytest.approx(1)
    # Of the wrong audio, what hears only.
    assert list(values["wrong_audio"]) == ["silence"]
    assert values["wrong_audio"]["silence"] != values["real"]["silence"]


def test_lips_are_seen_in_windows_across_chunks():
    images = small.frames(45)
    whole, _ = observers._windows(images, None)
    state, parts = None, []
    for piece in (images[:3], images[3:33], images[33:34], images[34:]):
        windows, state = observers._windows(piece, state)
        parts += [] if windows is None else [windows]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.shape == (41, 5, 32, 32, 3)
    np.testing.assert_array_equal(whole[7], images[7:12])


def test_frames_without_a_face_are_told():
    pred, real = small.frames(60, 1), small.frames(60, 2)
    pred[:, 0, 0, 1] = real[:, 0, 0, 1] = 0
    pred[20:25, 0, 0, 1] = 255
    record, _ = score.score_clip(small.clip(pred, real), FACES, small.OBSERVERS)
    assert record["notes"] == ["no face in 5 of 60 frames"]
    swapped, _ = score.score_clip(small.clip(real, pred), FACES, small.OBSERVERS)
    assert swapped["notes"] == ["no face in 5 of 60 frames of the target"]
    seen = np.r_[0:20, 25:60]
    expected = mouth_lmd(small.landmarks_of(pred[seen]), small.landmarks_of(real[seen])).mean()
    assert record["values"]["pred"]["m_lmd"] == pytest.approx(expected)
    assert isinstance(record["values"]["pred"]["blinks"], float)  # the gap is filled in
    pred[10:50, 0, 0, 1] = 255
    record, _ = score.score_clip(small.clip(pred, real), FACES, small.OBSERVERS)
    assert record["values"]["pred"]["blinks"] == "no face in 40 of 60 frames"
    assert isinstance(record["values"]["real"]["blinks"], float)
    pred[:, 0, 0, 1] = 255
    record, _ = score.score_clip(small.clip(pred, real), FACES, small.OBSERVERS)
    assert record["values"]["pred"]["m_lmd"] == "no face in 60 of 60 frames"


def test_a_clip_of_one_frame():
    pred, real = small.frames(1, 1), small.frames(1, 2)
    silent = {"audio": lambda: small.sound(9)}
    keys = ("psnr", "cpbd", "ms_ssim", *FACES)
    record, _ = score.score_clip(small.clip(pred, real, **silent), keys, small.OBSERVERS)
    values = record["values"]["pred"]
    assert values["psnr"] == pytest.approx(psnr(pred, real), rel=1e-5)
    assert isinstance(values["m_lmd"], float) and isinstance(values["csim"], float)
    assert "expected at least 64 x 64" in values["cpbd"]
    assert "expected at least 161 x 161" in values["ms_ssim"]
    assert "found length 1, expected at least 4" in values["jerk"]


def test_without_audio_the_rest_is_scored():
    def none():
        raise UserError("no audio: neither prediction nor target has sound; give --audio")

    clip = small.clip(small.frames(9, 1), small.frames(9, 2), audio=none)
    record, _ = score.score_clip(clip, ("psnr", "silence"), small.OBSERVERS)
    assert record["values"]["pred"]["silence"].startswith("no audio")
    assert record["values"]["pred"]["psnr"] > 0 and record["notes"][0].startswith("no audio")


def test_speech_that_ends_before_the_video():
    embeddings = np.random.default_rng(4).standard_normal((60, 8))
    lengths = []

    def hear(audio, num_frames):
        lengths.append(num_frames)
        return embeddings[: num_frames - 4]

    sync = observers.Observer(
        *("test", lambda images, points, state: (embeddings[: len(images)][4:], state), hear),
        lambda lips, speech: {"lse_d": float(np.abs(lips - speech).max())},
    )
    images = small.frames(30, 1), small.frames(30, 2)
    for count, allow, heard in ((26, False, 30), (12, True, 12), (12, False, None)):
        lengths.clear()
        clip = small.clip(*images, audio=lambda count=count: small.sound(count))
        record, _ = score.score_clip(
            clip, ("psnr", "lse_d"), small.OBSERVERS | {"sync": sync}, allow_mismatch=allow
        )
        values = record["values"]["pred"]
        assert values["psnr"] > 0 and lengths[:1] == [heard or 30]
        if heard is None:
            assert values["lse_d"].startswith("found 12 frames of speech for 30 of video")
            assert record["notes"] == [values["lse_d"]]
        else:
            assert isinstance(values["lse_d"], float) and not record["notes"]


def test_lengths_and_sizes_that_differ():
    clip = small.clip(small.frames(40, 1), small.frames(38, 2))
    with pytest.raises(UserError, match="40 frames of the prediction and 38 of the target"):
        score.score_clip(clip, ("psnr",), {})
    record, _ = score.score_clip(clip, ("psnr",), {}, allow_mismatch=True)
    assert record["notes"] == ["40 and 38 frames: the first 38 compared"]
    assert record["values"]["pred"]["psnr"] == pytest.approx(
        psnr(small.frames(40, 1)[:38], small.frames(38, 2)), rel=1e-5
    )
    with pytest.raises(UserError, match="24 x 24 px and of 32 x 32 px in the target"):
        score.score_clip(small.clip(small.frames(9, 1, 24), small.frames(9, 2)), ("psnr",), {})
    with pytest.raises(UserError, match="no frame that both videos have"):
        score.score_clip(small.clip([], []), ("psnr",), {})


def test_without_a_ground_truth_only_what_needs_none():
    clip = small.clip(small.frames(30, 1), small.frames(40, 2), paired=False)
    record, _ = score.score_clip(clip, ("psnr", "csim", "m_lmd", "blinks"), small.OBSERVERS)
    assert set(record["values"]["pred"]) == {"csim", "blinks"} and record["frames"] == 30


def test_diversity_over_seeds():
    pred, real = small.frames(20, 1), small.frames(20, 2)
    same = small.clip(pred, real, seeds=(lambda: iter(pred),))
    other = small.clip(pred, real, seeds=(lambda: iter(small.frames(20, 3)),))
    found = [
        score.score_clip(c, ("diversity",), small.OBSERVERS)[0]["values"]["pred"]["diversity"]
        for c in (same, other)
    ]
    assert found[0] == 0 and found[1] > 0.01


def test_memory_does_not_grow_with_the_clip():
    def peak(count):
        image = small.frames(1)[0]
        clip = small.clip([], small.frames(1))._replace(
            pred=lambda: (image.copy() for _ in range(count)),
            real=lambda: (image.copy() for _ in range(count)),
        )
        tracemalloc.start()
        score.score_clip(clip, ("psnr",), {})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(64)
    assert peak(1600) < peak(64) + 300_000  # the frames of one are 5 MB more


def test_image_metrics_of_the_table_are_those_of_the_protocols():
    assert {METRICS[key].protocol for key in score.FULL} >= {"psnr", "ssim/gauss11"}
    assert set(NO_REFERENCE) == {METRICS["cpbd"].protocol}


def refuses(*arguments):
    raise UserError("needs another thing")


def test_a_fault_of_one_observer_leaves_the_others():
    keys = ("psnr", "csim", "m_lmd", "silence", "diversity", "lse_d", "fid")
    seeing = small.OBSERVERS | {
        "sync": observers.Observer("test", lambda x, points, state: (x[:, 0, 0], state), refuses),
        "inception": observers.Observer(
            "", lambda x, points, state: (x.mean((1, 2)).astype(np.float64), state)
        ),
    }
    pred, real = small.frames(70, 1), small.frames(70, 2)
    clip = small.clip(pred, real, seeds=(lambda: iter(pred),))
    needing = {"csim": "identity", "m_lmd": "landmarks", "lse_d": "sync", "fid": "inception"}
    for key, family in needing.items():
        own = seeing | {family: observers.Observer("test", refuses, lambda *_: np.zeros((66, 3)))}
        record, statistics = score.score_clip(clip, keys, own)
        found = record["values"]["pred"]
        assert found[key] == "needs another thing"
        assert isinstance(found["psnr"], float)
        assert bool(statistics) == (family != "inception")
        if family == "landmarks":  # faces are not found
            assert found["csim"] == found["diversity"] == found["lse_d"] == found[key]
        else:
            assert all(isinstance(found[k], float) for k in ("m_lmd", "silence", "diversity"))
            assert family == "identity" or isinstance(found["csim"], float)
    # SyncNet that sees, but cannot hear: what else hears goes on.
    record, _ = score.score_clip(clip, keys, seeing)
    assert record["values"]["pred"]["lse_d"] == "needs another thing"
    assert isinstance(record["values"]["pred"]["silence"], float)


def test_a_metric_that_no_clip_has_is_told_with_its_fault():
    seeing = small.OBSERVERS | {name: observers.Observer("", refuses) for name in ("inception",)}
    seeing["identity"] = observers.Observer("arcface", refuses)
    clip = small.clip(small.frames(9, 1), small.frames(9, 2))
    record, statistics = score.score_clip(clip, ("psnr", "csim", "fid"), seeing)
    protocols = {"psnr": "psnr", "csim": "csim/arcface", "fid": "fid/inception-tf2048"}
    made = summary.summarise(
        [record], {}, statistics, protocols, seeing, paired=True, more_seeds=False
    )
    told = {key: metric["not_measured"] for key, metric in made["metrics"].items()}
    assert told == {"psnr": "", "csim": "needs another thing", "fid": "needs another thing"}
