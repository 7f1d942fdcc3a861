"""The claims of StyleTalker, each a function of a clip with a bar: `CLAIMS` is the table.

A function takes a `Clip` and the `Track` that is judged, and gives the clip's value, or several
values that the claim's statistic takes together over clips. A `UserError` of a metric leaves the
clip out of that claim: for what the clip lacks (a pause, say), never for what a generated video
fails to do.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.clips import NUM_SEEDS
from jaxtalk.metrics import identity, image, intervals, landmarks, motion, signals, sync
from jaxtalk.ops.landmarks import landmark_error

SEEDS = ("speech", *(f"seed_{i}" for i in range(1, NUM_SEEDS)))
NO_FLOW_SEEDS = ("no_flow", *(f"no_flow_seed_{i}" for i in range(1, NUM_SEEDS)))
FACTOR = 1.5


class Claim(NamedTuple):
    """A row of the table.

    name: what is measured. protocol: its id. low, high: the bar; the estimate must lie between.
    value: (clip, track) -> float or [K]. video: whose track is judged; see `clips.VIDEOS`. needs:
    keys of `NEEDS`. videos: others that the function reads. statistic: of `intervals.bootstrap`.
    comparisons: videos that are judged in its place, to tell what the measure itself gives for the
    truth, for the truth through encoder and generator, and for a still picture.
    """

    name: str
    protocol: str
    low: float
    high: float
    value: Callable
    video: str
    needs: tuple[str, ...]
    videos: tuple[str, ...] = ()
    statistic: Callable = intervals.mean
    comparisons: tuple[str, ...] = ("real", "reconstructed", "static")


# What a claim may need -> what to do where it is not there.
NEEDS = {
    "arcface": "the stage arcface, see configs/arcface.py",
    "syncnet": "the stage syncnet, see configs/syncnet.py",
    "landmarks": "the stage landmarks, see configs/landmarks.py",
    "true landmarks": "a corpus with landmarks",
    "true pose": "a corpus with head poses",
    "no_flow": "--no_flow, a run of configs/styletalker.py:no_flow",
    "no_sync": "--no_sync, a run of configs/styletalker.py:no_sync",
}


# Lips and speech


def offset_accuracy(clip, track):
    """Share of the clip's pieces of 2 s whose offset is found within a frame."""
    return sync.offset_accuracy(track.lips, clip.speech)["offset_accuracy"]


def recall_at_1(clip, track):
    """Share of single windows whose nearest speech of 31 is their own."""
    return sync.window_recall(sync.offset_similarities(track.lips, clip.speech))["recall_at_1"]


def lse_c(clip, track):
    """Confidence of SyncNet in the clip's own speech."""
    length = min(len(track.lips), len(clip.speech))
    cosines = sync.offset_similarities(track.lips[:length], clip.speech[:length])
    return sync.contrastive_lip_sync_error(cosines)["lse_c"]


def lse_c_pair(clip, track):
    """[2]: LSE-C of the video and of the real one."""
    return np.array([lse_c(clip, track), lse_c(clip, clip.videos["real"])])


def sync_gain(clip, track):
    """LSE-C with the sync loss less that of the video without it."""
    return lse_c(clip, clip.videos["speech"]) - lse_c(clip, track)


def mouth_correlation(clip, track):
    """Correlation of the mouth's opening with the true one, over the frames that both have."""
    length = min(len(track.landmarks), len(clip.landmarks))
    return signals.correlation(
        landmarks.mouth_opening(track.landmarks[:length]),
        landmarks.mouth_opening(clip.landmarks[:length]),
    )


def silence(clip, track):
    """Motion energy of the mouth in pauses as a share of that in speech; 1 if it is frozen."""
    return motion.silence_score(landmarks.mouth_opening(track.landmarks), clip.audio)


# Faces


def psnr(clip, track):
    """Mean over frames, dB."""
    real = clip.videos["real"].frames
    # Equal frames, of infinite PSNR, count as 99 dB.
    return float(np.minimum(image.psnr(track.frames, real), 99.0).mean())


def same_speaker(clip, track):
    """Share of frames nearer to the speaker's first real frame than to that of any other."""
    own = track.identity @ clip.portrait
    return float(np.mean(own > (track.identity @ clip.others.T).max(axis=1)))


def csim_pair(clip, track):
    """[2]: mean CSIM with the portrait of the video and of the real one."""
    tracks = (track, clip.videos["real"])
    return np.array([identity.csim(t.identity, clip.portrait).mean() for t in tracks])


def landmark_distance(clip, track):
    """Mean distance of the network's landmarks from the true ones, in face heights."""
    return float(np.mean(landmark_error(track.landmarks, clip.landmarks)))


# Motion


def pose_correlation(angle):
    """Claim of "yaw" or "pitch" following the motion source."""

    def value(clip, track):
        length = min(len(track.pose), len(clip.source_pose))
        return motion.pose_correlation(track.pose[:length], clip.source_pose[:length], angle)

    return value


def drawn(measure, clip, track):
    """Mean of a measure of the video and of those that other seeds draw: one draw is much luck."""
    names = next((n for n in (SEEDS, NO_FLOW_SEEDS) if track is clip.videos.get(n[0])), ())
    tracks = [clip.videos[name] for name in names] or [track]
    return np.mean([measure(t) for t in tracks], axis=0)


def variance_pair(clip, track):
    """[2]: summed variance of the three angles of the video and of the real one."""
    return np.array([drawn(_variance, clip, t) for t in (track, clip.videos["real"])])


def _variance(track):
    return motion.pose_variance(track.pose).sum()


def spectrum_pair(clip, track):
    """[30]: pose spectra [5, 3] of the video and of the real one."""
    return np.concatenate([drawn(_spectrum, clip, t) for t in (track, clip.videos["real"])])


def spectrum_triple(clip, track):
    """[45]: pose spectra of the video, the one with the flow, and the real one."""
    tracks = (track, clip.videos["speech"], clip.videos["real"])
    return np.concatenate([drawn(_spectrum, clip, t) for t in tracks])


def _spectrum(track):
    return motion.pose_spectrum(track.pose).ravel()


def blinks(clip, track):
    """[2]: blinks a minute of the video, as the network sees them, and true ones."""
    return np.array([drawn(_blinks, clip, track), _blink_rate(clip.landmarks)])


def blinks_triple(clip, track):
    """[3]: blinks a minute of the video, of the one with the flow, and true ones."""
    return np.insert(blinks(clip, track), 1, drawn(_blinks, clip, clip.videos["speech"]))


def _blinks(track):
    return _blink_rate(track.landmarks)


def _blink_rate(points):
    return motion.blink_rate(landmarks.eye_opening(points))


def diversity_pair(clip, track):
    """[2]: mean distance of poses, each without its mean, between seeds, and between two people."""
    seeds = [clip.videos[name].pose for name in SEEDS]
    real = [clip.videos["real"].pose, clip.videos["source"].pose]
    real = [pose[: min(map(len, real))] for pose in real]
    return np.array([
        motion.seed_diversity([pose - pose.mean(axis=0) for pose in poses])["mean"]
        for poses in (seeds, real)
    ])  # fmt: skip


def all_seeds_differ(clip, track):
    """1 if no two seeds give the same frames, else 0."""
    videos = [clip.videos[name].frames for name in SEEDS]
    pairs = ((a, b) for i, a in enumerate(videos) for b in videos[:i])
    return float(all((a != b).any() for a, b in pairs))


def acceleration(clip, track):
    """Frame-to-frame acceleration of the landmarks in units of the real video's."""
    return landmarks.acceleration_ratio(track.landmarks, clip.videos["real"].landmarks)


# Statistics over clips


def share(values):
    """`intervals.ratio_of_means`; NaN where there is nothing to compare with."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = intervals.ratio_of_means(values)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def spectrum_distance(values):
    """dB: [..., N, 30] of `spectrum_pair` -> [...]."""
    return _each(motion.spectrum_distance, values)


def spectrum_loss(values):
    """dB that the distance is larger without the flow: [..., N, 45] of `spectrum_triple`."""
    distance = motion.spectrum_distance
    return _each(lambda fake, ours, real: distance(fake, real) - distance(ours, real), values)


def blink_loss(values):
    """Blinks a minute that the rate is farther off without the flow: [..., N, 3] -> [...]."""
    fake, ours, real = np.moveaxis(values.mean(axis=-2), -1, 0)
    return np.abs(fake - real) - np.abs(ours - real)


def _each(function, values):
    """A function of spectra, each [N, 5, 3], of [..., N, 15 k] values."""
    if values.ndim > 2:
        return np.array([_each(function, part) for part in values])
    return function(*np.split(values.reshape(len(values), -1, 3), values.shape[1] // 15, axis=1))


def at_least(bar):
    return bar, math.inf


def at_most(bar):
    return -math.inf, bar


ABOVE_ZERO = (math.ulp(0.0), math.inf)  # from the smallest number that is
WITHIN_FACTOR = (1 / FACTOR, FACTOR)
LANDMARKS, TRUE = ("landmarks",), ("landmarks", "true landmarks")

CLAIMS = {
    "sync_offset": Claim(
        "SyncNet knows sync: offset of 31 found within 1 frame, 2 s", "sync-offset/procedural",
        *at_least(0.9), offset_accuracy, "real", ("syncnet",),
        comparisons=("reconstructed", "static"),
    ),
    "sync_recall": Claim(
        "SyncNet knows sync: recall@1 of single windows, 5 x chance", "sync-recall/procedural",
        *at_least(5 / 31), recall_at_1, "real", ("syncnet",),
        comparisons=("reconstructed", "static"),
    ),
    "psnr": Claim(
        "generator and encoder hold faces: PSNR, dB", "psnr",
        *at_least(24), psnr, "reconstructed", (), ("real",), comparisons=("static",),
    ),
    "same_speaker": Claim(
        "generator and encoder hold faces: same speaker", "identification/procedural",
        *at_least(0.95), same_speaker, "reconstructed", ("arcface",), comparisons=("real",),
    ),
    "landmark_error": Claim(
        "the landmark network can be trusted: error in face heights", "landmark-error/procedural",
        *at_most(0.02), landmark_distance, "real", TRUE, comparisons=("reconstructed", "static"),
    ),
    "lips": Claim(
        "lips follow the audio: mouth correlation", "mouth-correlation/pearson",
        *at_least(0.6), mouth_correlation, "speech", TRUE,
    ),
    "lips_other_audio": Claim(
        "lips follow the audio: the same with another clip's audio", "mouth-correlation/pearson",
        *at_most(0.15), mouth_correlation, "other_speech", TRUE, comparisons=("static",),
    ),
    "lse_c": Claim(
        "sync of the generated video: LSE-C, share of the truth's", "lse/procedural",
        *at_least(0.8), lse_c_pair, "speech", ("syncnet",), ("real",), share,
    ),
    "yaw": Claim(
        "motion is controllable: yaw correlation", "pose-correlation/pearson",
        *at_least(0.8), pose_correlation("yaw"), "motion", ("landmarks", "true pose"),
        comparisons=("source", "static"),
    ),
    "pitch": Claim(
        "motion is controllable: pitch correlation", "pose-correlation/pearson",
        *at_least(0.8), pose_correlation("pitch"), "motion", ("landmarks", "true pose"),
        comparisons=("source", "static"),
    ),
    "motion_lips": Claim(
        "motion is controllable: mouth correlation", "mouth-correlation/pearson",
        *at_least(0.5), mouth_correlation, "motion", TRUE,
    ),
    "pose_variance": Claim(
        "motion is natural: pose variance, share of the truth's", "pose-variance/within-clip",
        *WITHIN_FACTOR, variance_pair, "speech", LANDMARKS, ("real", *SEEDS), share,
    ),
    "pose_spectrum": Claim(
        "motion is natural: pose spectrum, dB off", "pose-spectrum/octaves",
        *at_most(10 * math.log10(FACTOR)), spectrum_pair, "speech", LANDMARKS, ("real", *SEEDS),
        spectrum_distance,
    ),
    "blinks": Claim(
        "motion is natural: blink rate, share of the truth's", "blink-rate/ear",
        *WITHIN_FACTOR, blinks, "speech", TRUE, SEEDS, share,
    ),
    "diversity": Claim(
        "motion is diverse: pose distance of seeds, share of two people's", "diversity/pairwise",
        *WITHIN_FACTOR, diversity_pair, "speech", LANDMARKS, ("real", "source", *SEEDS), share,
        comparisons=(),
    ),
    "seeds": Claim(
        "motion is diverse: no two seeds equal", "diversity/frames",
        *at_least(1), all_seeds_differ, "speech", (), SEEDS, comparisons=(),
    ),
    "smoothness": Claim(
        "smoothing works: acceleration, share of the truth's", "acceleration-ratio/px68",
        *at_most(1.3), acceleration, "speech", LANDMARKS, ("real",),
    ),
    "flow_spectrum": Claim(
        "the flow helps: pose spectrum, dB worse without", "pose-spectrum/octaves",
        *ABOVE_ZERO, spectrum_triple, "no_flow", ("landmarks", "no_flow"),
        (*NO_FLOW_SEEDS, *SEEDS, "real"), spectrum_loss, comparisons=(),
    ),
    "flow_blinks": Claim(
        "the flow helps: blinks a minute farther off without", "blink-rate/ear",
        *ABOVE_ZERO, blinks_triple, "no_flow", (*TRUE, "no_flow"), (*NO_FLOW_SEEDS, *SEEDS),
        blink_loss, comparisons=(),
    ),
    "sync_loss": Claim(
        "SyncNet helps: LSE-C lost without", "lse/procedural",
        *ABOVE_ZERO, sync_gain, "no_sync", ("syncnet", "no_sync"), ("speech",), comparisons=(),
    ),
    "csim": Claim(
        "identity is kept: CSIM, share of real pairs'", "csim/procedural",
        *at_least(0.9), csim_pair, "speech", ("arcface",), ("real",), share,
    ),
    "silence": Claim(
        "silence is silent: mouth motion in pauses, share of that in speech",
        "silence/motion-energy", *at_most(0.3), silence, "speech", LANDMARKS,
    ),
}  # fmt: skip


def missing_needs(claim, available):
    """What stands in the way of a claim, as text; empty if nothing does."""
    return " and ".join(NEEDS[need] for need in claim.needs if need not in available)


def videos_of(claim):
    """Names of all videos that a claim reads, its comparisons included."""
    return list(dict.fromkeys((claim.video, *claim.videos, *claim.comparisons)))


def clip_values(claim, clip):
    """{video: the clip's value [K], or the `UserError` in its place}: judged and comparisons."""
    values = {}
    for video in dict.fromkeys((claim.video, *claim.comparisons)):
        try:
            values[video] = np.asarray(claim.value(clip, clip.videos[video]), np.float64)
        except UserError as error:
            values[video] = error
    return values
