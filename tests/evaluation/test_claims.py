"""Each claim on a clip whose answer is known: a perfect copy, a still picture, and others."""

import math

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation import claims, report
from jaxtalk.evaluation.clips import VIDEOS, Clip
from jaxtalk.evaluation.networks import Track

NUM_FRAMES, HEIGHT_PX = 100, 80.0
TIME = np.arange(NUM_FRAMES)


def face(opening=0.0, eye=0.3, shift=0.0):
    """[T, 68, 2] px: a face 80 px high, its mouth open by `opening` face heights."""
    points = np.zeros((NUM_FRAMES, 68, 2))
    points[:, :17] = np.stack([np.linspace(10, 90, 17), 100 - np.abs(np.linspace(-8, 8, 17))], -1)
    points[:, 17:27] = np.stack([np.linspace(20, 80, 10), np.full(10, 20)], -1)
    points[:, 27:36] = np.stack([np.full(9, 50), np.linspace(35, 60, 9)], -1)
    points[:, 48:68] = np.stack([np.linspace(35, 65, 20), np.full(20, 80)], -1)
    for left, corners in ((25, range(36, 42)), (55, range(42, 48))):
        points[:, list(corners), 0] = left + np.array([0, 7, 14, 20, 14, 7])
        lid = 10 * np.broadcast_to(eye, NUM_FRAMES)[:, None]
        points[:, list(corners), 1] = 35
        points[:, list(corners)[1:3], 1] -= lid
        points[:, list(corners)[4:], 1] += lid
    lip = HEIGHT_PX / 2 * np.broadcast_to(opening, NUM_FRAMES)[:, None]
    upper, lower = [61, 62, 63], [67, 66, 65]
    points[:, upper] = np.stack([[45, 50, 55], [80, 80, 80]], -1)
    points[:, lower] = points[:, upper]
    points[:, upper, 1] -= lip
    points[:, lower, 1] += lip
    return points + np.broadcast_to(shift, NUM_FRAMES)[:, None, None]


def blinking(starts):
    eye = np.full(NUM_FRAMES, 0.3)
    for start in starts:
        eye[start : start + 4] = 0.02
    return eye


def directions(rng, shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def still(track):
    return Track(*(np.repeat(x[:1], len(x), axis=0) for x in track))


def doubled(track, names):
    """The same with twice the motion in some of its arrays."""
    return track._replace(
        **{name: 2 * getattr(track, name) - getattr(track, name)[:1] for name in names}
    )


@pytest.fixture(scope="module")
def clip():
    """A clip whose generated videos are all perfect copies; speech, then a pause of 1.2 s."""
    rng = np.random.default_rng(0)
    opening = 0.05 + 0.04 * np.sin(TIME) * np.cos(0.31 * TIME)
    opening[70:] = 0
    audio = np.zeros(640 * NUM_FRAMES, np.int16)
    audio[: 640 * 70] = rng.integers(-8000, 8000, 640 * 70)
    real = Track(
        frames=rng.integers(1, 254, (NUM_FRAMES, 16, 16, 3)).astype(np.uint8),
        landmarks=face(opening, blinking([20, 60]), 3 * np.sin(0.2 * TIME)),
        pose=0.1 * np.cumsum(rng.standard_normal((NUM_FRAMES, 3)), axis=0),
        identity=directions(rng, (1, 16)).repeat(NUM_FRAMES, axis=0),
        lips=directions(rng, (NUM_FRAMES - 4, 32)),
    )
    names = [*VIDEOS, "static"]
    videos = {**dict.fromkeys(names, real), "static": still(real)}
    return Clip(
        speaker="a",
        landmarks=real.landmarks,
        audio=audio,
        speech=real.lips,
        source_pose=real.pose,
        portrait=real.identity[0],
        others=directions(rng, (5, 16)),
        videos=videos,
    )


def estimate(key, clip, track):
    """The estimate of a claim on this clip alone."""
    claim = claims.CLAIMS[key]
    return claim.statistic(np.asarray(claim.value(clip, track), float)[None])


@pytest.mark.parametrize(
    ("key", "copy", "static"),
    [
        ("sync_offset", 1.0, 0.0),
        ("psnr", 99.0, None),
        ("same_speaker", 1.0, 1.0),
        ("landmark_error", 0.0, None),
        ("lips", 1.0, 0.0),
        ("lips_other_audio", 1.0, 0.0),
        ("lse_c", 1.0, None),
        ("yaw", 1.0, 0.0),
        ("pitch", 1.0, 0.0),
        ("motion_lips", 1.0, 0.0),
        ("pose_variance", 1.0, 0.0),
        ("pose_spectrum", 0.0, None),
        ("blinks", 1.0, 0.0),
        ("smoothness", 1.0, 0.0),
        ("flow_spectrum", 0.0, None),
        ("flow_blinks", 0.0, 30.0),
        ("sync_loss", 0.0, None),
        ("csim", 1.0, 1.0),
        ("silence", 0.0, 1.0),
    ],
)
def test_perfect_copy_and_still_picture(clip, key, copy, static):
    assert estimate(key, clip, clip.videos["real"]) == pytest.approx(copy, abs=1e-6)
    if static is not None:
        assert estimate(key, clip, clip.videos["static"]) == pytest.approx(static, abs=1e-6)


def test_what_cannot_tell_a_still_picture_exactly(clip):
    still = clip.videos["static"]
    assert estimate("psnr", clip, still) < 12
    assert estimate("landmark_error", clip, still) > 0.02
    assert estimate("lse_c", clip, still) < 0.5
    assert estimate("pose_spectrum", clip, still) > 15
    assert estimate("sync_loss", clip, still) > 0.3


def test_frozen_mouths_do_not_leave_the_claim_to_the_one_that_moves(clip):
    claim = claims.CLAIMS["silence"]
    frozen = clip._replace(videos={**clip.videos, "speech": clip.videos["static"]})
    found = [claims.clip_values(claim, c) for c in (clip, *[frozen] * 23)]
    row = report.summarise("silence", found)
    assert (row["num_clips"], row["not_scored"], row["reached"]) == (24, 0, False)
    assert row["value"] == pytest.approx(23 / 24)
    assert report.summarise("silence", found[:1])["reached"]


def test_a_clip_without_a_pause_is_left_out_of_silence(clip):
    talking = clip._replace(audio=np.tile(clip.audio[: 640 * 70], 2)[: 640 * NUM_FRAMES])
    value = claims.clip_values(claims.CLAIMS["silence"], talking)["speech"]
    assert isinstance(value, UserError) and "found 0 of 100 frames in pauses" in str(value)


@pytest.mark.parametrize(("constant", "moving"), [("yaw", "pitch"), ("pitch", "yaw")])
def test_an_angle_that_the_source_does_not_turn_leaves_the_other_one_judged(clip, constant, moving):
    pose = clip.source_pose.copy()
    pose[:, ("yaw", "pitch").index(constant)] = 0.1
    turned = clip._replace(source_pose=pose)
    found = {k: claims.clip_values(claims.CLAIMS[k], turned)["motion"] for k in (constant, moving)}
    assert isinstance(found[constant], UserError)
    assert found[moving] == pytest.approx(1)


def test_frames_in_another_order_follow_nothing(clip):
    order = np.random.default_rng(1).permutation(NUM_FRAMES)
    lips = clip.speech[np.random.default_rng(1).permutation(NUM_FRAMES - 4)]
    shuffled = Track(*(x[order] for x in clip.videos["real"][:4]), lips)
    for key in ("lips", "yaw", "pitch", "motion_lips"):
        assert abs(estimate(key, clip, shuffled)) < 0.35, key
    assert estimate("sync_recall", clip, shuffled) < 0.15
    assert estimate("sync_recall", clip, clip.videos["real"]) == 1
    assert estimate("smoothness", clip, shuffled) > 2
    assert estimate("silence", clip, shuffled) > 0.3


def test_speech_that_comes_late_is_found_out(clip):
    late = clip.videos["real"]._replace(lips=np.roll(clip.speech, 5, axis=0))
    assert estimate("sync_offset", clip, late) == 0
    assert estimate("sync_recall", clip, late) == 0
    assert estimate("lse_c", clip, late) == pytest.approx(1, abs=0.1), "whatever the offset"


def test_twice_the_motion(clip):
    larger = doubled(clip.videos["real"], ["pose"])
    assert estimate("pose_variance", clip, larger) == pytest.approx(4)
    # Not exactly, as the lowest densities count as a thousandth of the largest.
    for key in ("pose_spectrum", "flow_spectrum"):
        assert estimate(key, clip, larger) == pytest.approx(20 * np.log10(2), rel=0.01)
    assert estimate("yaw", clip, larger) == pytest.approx(1)
    opposite = clip.videos["real"]._replace(pose=clip.source_pose * [-1, 1, 1])
    assert (estimate("yaw", clip, opposite), estimate("pitch", clip, opposite)) == (
        pytest.approx(-1),
        pytest.approx(1),
    )


def test_known_sizes(clip):
    real = clip.videos["real"]
    brighter = real._replace(frames=real.frames + np.uint8(1))
    assert estimate("psnr", clip, brighter) == pytest.approx(20 * np.log10(255), abs=1e-4)
    height = np.ptp(clip.landmarks[..., 1], axis=1).mean()
    moved = real._replace(landmarks=clip.landmarks + np.array([0.01 * height, 0]))
    assert estimate("landmark_error", clip, moved) == pytest.approx(0.01, rel=0.01)
    one_blink = real._replace(landmarks=face(eye=blinking([20])))
    assert estimate("blinks", clip, one_blink) == pytest.approx(0.5)
    assert estimate("flow_blinks", clip, one_blink) == pytest.approx(15)


def test_another_person_is_not_the_same_speaker(clip):
    identity = clip.videos["real"].identity.copy()
    identity[:25] = clip.others[3]
    mixed = clip.videos["real"]._replace(identity=identity)
    assert estimate("same_speaker", clip, mixed) == 0.75
    cosine = clip.others[3] @ clip.portrait
    assert estimate("csim", clip, mixed) == pytest.approx(0.75 + 0.25 * cosine)


def test_seeds(clip):
    real = clip.videos["real"]
    rng = np.random.default_rng(2)
    poses = [real.pose, *(0.1 * np.cumsum(rng.standard_normal((2, NUM_FRAMES, 3)), axis=1))]
    seeds = {
        name: real._replace(pose=pose, frames=real.frames + np.uint8(i))
        for i, (name, pose) in enumerate(zip(claims.SEEDS, poses))
    }
    source = real._replace(pose=poses[1][:80])  # the other clip may be shorter
    varied = clip._replace(videos={**clip.videos, **seeds, "source": source})
    assert estimate("seeds", varied, seeds["speech"]) == 1
    assert 0.3 < estimate("diversity", varied, seeds["speech"]) < 3
    same = varied._replace(videos={**varied.videos, "seed_2": seeds["seed_1"]})
    assert estimate("seeds", same, seeds["speech"]) == 0
    one = varied._replace(videos={**varied.videos, **dict.fromkeys(claims.SEEDS, real)})
    assert estimate("diversity", one, real) == 0


def test_motion_that_is_drawn_is_judged_over_the_seeds(clip):
    real = clip.videos["real"]
    moving = {name: doubled(real, ["pose"]) for name in (*claims.SEEDS, *claims.NO_FLOW_SEEDS)}
    still_ones = {name: still(real) for name in (claims.SEEDS[1], claims.NO_FLOW_SEEDS[2])}
    varied = clip._replace(videos={**clip.videos, **moving, **still_ones})
    speech = varied.videos["speech"]
    assert estimate("pose_variance", varied, speech) == pytest.approx(4 * 2 / 3)
    assert estimate("pose_variance", varied, real) == pytest.approx(1)  # there is one of it
    decibel = 10 * np.log10(4 * 2 / 3)
    assert estimate("pose_spectrum", varied, speech) == pytest.approx(decibel, rel=0.01)  # a floor
    assert estimate("flow_spectrum", varied, varied.videos["no_flow"]) == pytest.approx(0)
    # Of three videos of the same two blinks, one is still.
    assert estimate("blinks", varied, speech) == pytest.approx(2 / 3)
    found = claims.blinks_triple(varied, varied.videos["no_flow"])
    np.testing.assert_allclose(found, found[2] * np.array([2 / 3, 2 / 3, 1]))


@pytest.mark.parametrize(
    "key", ["pose_spectrum", "flow_spectrum", "blinks", "flow_blinks", "lse_c"]
)
def test_statistics_of_resamples_are_those_of_each(key):
    claim = claims.CLAIMS[key]
    width = {"pose_spectrum": 30, "flow_spectrum": 45, "flow_blinks": 3}.get(key, 2)
    drawn = np.random.default_rng(0).uniform(1, 2, (4, 6, width))
    each = [claim.statistic(values) for values in drawn]
    np.testing.assert_allclose(claim.statistic(drawn), each)
    assert np.shape(claim.statistic(drawn)) == (4,)


def test_every_claim_can_be_met_and_says_what_it_reads(clip):
    assert set(claims.CLAIMS) >= {"sync_offset", "lips", "silence"}
    for key, claim in claims.CLAIMS.items():
        assert claim.low < claim.high, key
        assert set(claim.needs) <= set(claims.NEEDS), key
        names = claims.videos_of(claim)
        assert set(names) <= {*VIDEOS, "static"}, key
        # A video that a claim does not name is not made.
        few = clip._replace(videos={name: clip.videos[name] for name in names})
        assert set(claims.clip_values(claim, few)) == {claim.video, *claim.comparisons}, key


def test_an_ablation_that_is_as_good_shows_no_help():
    """As where neither video blinks."""
    for key in ("flow_spectrum", "flow_blinks", "sync_loss"):
        assert claims.CLAIMS[key].low > 0, key
    row = report.summarise("flow_blinks", [{"no_flow": np.array([0.0, 0.0, 20.0])}] * 4, "")
    assert (row["value"], row["reached"], report.bar(row)) == (0.0, False, "> 0")
    row = report.summarise("flow_blinks", [{"no_flow": np.array([0.0, 1e-6, 20.0])}] * 4, "")
    assert row["reached"]


# The bars as they were promised: whoever moves one has to say so here as well.
BARS = [
    ("sync_offset", 0.9, math.inf),
    ("sync_recall", 5 / 31, math.inf),
    ("psnr", 24, math.inf),
    ("same_speaker", 0.95, math.inf),
    ("landmark_error", -math.inf, 0.02),
    ("lips", 0.6, math.inf),
    ("lips_other_audio", -math.inf, 0.15),
    ("lse_c", 0.8, math.inf),
    ("yaw", 0.8, math.inf),
    ("pitch", 0.8, math.inf),
    ("motion_lips", 0.5, math.inf),
    ("pose_variance", 1 / 1.5, 1.5),
    ("pose_spectrum", -math.inf, 10 * math.log10(1.5)),
    ("blinks", 1 / 1.5, 1.5),
    ("diversity", 1 / 1.5, 1.5),
    ("seeds", 1, math.inf),
    ("smoothness", -math.inf, 1.3),
    ("flow_spectrum", math.ulp(0.0), math.inf),  # above 0
    ("flow_blinks", math.ulp(0.0), math.inf),
    ("sync_loss", math.ulp(0.0), math.inf),
    ("csim", 0.9, math.inf),
    ("silence", -math.inf, 0.3),
]


@pytest.mark.parametrize(("key", "low", "high"), BARS)
def test_bars(key, low, high):
    assert (claims.CLAIMS[key].low, claims.CLAIMS[key].high) == (low, high)


def test_every_claim_has_its_bar_pinned():
    assert [key for key, *_ in BARS] == list(claims.CLAIMS)


def test_missing_needs():
    claim = claims.CLAIMS["flow_blinks"]
    assert claims.missing_needs(claim, {"landmarks", "true landmarks", "no_flow"}) == ""
    told = claims.missing_needs(claim, {"landmarks"})
    assert "a corpus with landmarks and --no_flow" in told
