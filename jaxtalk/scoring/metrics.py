"""The metrics of the command: `METRICS` is the table, each row a function of what was seen."""

import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import identity, landmarks, motion, signals
from jaxtalk.metrics.frechet import FeatureStatistics

EQUAL_FRAMES_DB = 99.0  # PSNR of equal frames, which is infinite
MAX_GAP_FRAMES = 10  # without a face, interpolated


class Seen(NamedTuple):
    """What was seen of a video; None where nothing looked.

    num_frames: T. images: image metric -> mean over frames, or the `UserError` in its place.
    landmarks: [T, 68, 2] px, NaN in frames without a face. identity: [n, D] of all frames, or every
    fifth. lips: [T - 4, D]. features: `FeatureStatistics` of all frames. faults: family of
    observers -> the `UserError` in place of what it sees.
    """

    num_frames: int
    images: dict
    landmarks: np.ndarray | None = None
    identity: np.ndarray | None = None
    lips: np.ndarray | None = None
    features: FeatureStatistics | None = None
    faults: Mapping[str, UserError] = types.MappingProxyType({})


class Heard(NamedTuple):
    """audio: int16 [S]. speech: embeddings [T - 4, D] by the network of sync, or None, or the
    `UserError` in their place. score: function (lips, speech) -> lse_d, lse_c, offset of such."""

    audio: np.ndarray
    speech: np.ndarray | UserError | None = None
    score: Callable | None = None


class Metric(NamedTuple):
    """A column of the tables.

    name: as the papers write it. protocol: its id; `{}` is where the observer's goes. better:
    "high", "low", "zero", or "truth" for what is best where it is the real video's. value: (seen of
    the judged video, seen of the real one, what it is to speak) -> float; None for those that are
    no mean over clips. family: of observers that it needs, "" for none. paired: needs the ground
    truth of each frame. hears: needs the speech. standard: whether it is measured unless others are
    named.
    """

    name: str
    protocol: str
    better: str
    value: Callable | None
    family: str = ""
    paired: bool = False
    hears: bool = False
    standard: bool = True


def _image(key):
    def value(seen, real, heard):
        found = seen.images.get(key, UserError("found too few frames to look at every fifth"))
        if isinstance(found, Exception):
            raise found
        return found

    return value


def _steady(points):
    """Landmarks with short gaps filled in.

    Raises:
      UserError: more than 10 frames in a row are without a face, or the first or last one is.
    """
    there = np.isfinite(points).all((1, 2))
    seen = np.flatnonzero(there)
    gaps = np.diff(seen, prepend=-1, append=len(points)) - 1
    if not len(seen) or gaps.max() > MAX_GAP_FRAMES:
        raise UserError(f"no face in {np.sum(~there)} of {len(points)} frames")
    nearest = np.interp(np.arange(len(points)), seen, np.arange(len(seen)))
    low, share = np.floor(nearest).astype(int), (nearest % 1)[:, None, None]
    found = points[seen]
    return found[low] * (1 - share) + found[np.minimum(low + 1, len(seen) - 1)] * share


def _distance(function):
    """Mean over the frames in which both videos have a face."""

    def value(seen, real, heard):
        fake, true = seen.landmarks, real.landmarks
        both = np.isfinite(fake).all((1, 2)) & np.isfinite(true).all((1, 2))
        if not both.any():
            raise UserError(f"no face in {len(both)} of {len(both)} frames")
        return float(function(fake[both], true[both]).mean())

    return value


def _lip_sync(key):
    def value(seen, real, heard):
        if isinstance(heard.speech, UserError):
            raise heard.speech
        if seen.lips is None or heard.speech is None:
            raise UserError(f"found {seen.num_frames} frames, expected 5 or more for SyncNet")
        length = min(len(seen.lips), len(heard.speech))
        lips, speech = seen.lips[:length], heard.speech[:length]
        return float(heard.score(lips, speech)[key])

    return value


def _csim(seen, real, heard):
    """Mean CSIM with the first frame of the real video, the reference picture."""
    faces = seen.identity[np.isfinite(seen.identity).all(1)]
    if not len(faces) or not np.isfinite(real.identity[0]).all():
        raise UserError("no face in the reference picture, or in no frame")
    return float(identity.csim(faces, real.identity[0]).mean())


def _silence(seen, real, heard):
    return motion.silence_score(landmarks.mouth_opening(_steady(seen.landmarks)), heard.audio)


def _drift(seen, real, heard):
    fake, true = (landmarks.mouth_opening(_steady(x.landmarks)) for x in (seen, real))
    return signals.drift_ms(fake, true)


def _blinks(seen, real, heard):
    return motion.blink_rate(landmarks.eye_opening(_steady(seen.landmarks)))


def _jerk(seen, real, heard):
    return float(landmarks.jerk(_steady(seen.landmarks)).mean())


def diversity(videos):
    """`diversity/pairwise` of the landmarks, in face heights, of one clip's seeds.

    Args:
      videos: list of `Seen`, at least 2.
    """
    for seen in videos:
        if "landmarks" in seen.faults:
            raise seen.faults["landmarks"]
    points = [_steady(seen.landmarks) for seen in videos]
    points = [p[: min(map(len, points))] for p in points]
    return motion.seed_diversity([p / landmarks.face_height(p) for p in points])["mean"]


METRICS = {
    "psnr": Metric("PSNR", "psnr", "high", _image("psnr"), paired=True),
    "ssim": Metric("SSIM", "ssim/gauss11", "high", _image("ssim"), paired=True),
    "ssim_uniform7": Metric(
        "SSIM 7x7", "ssim/uniform7", "high", _image("ssim_uniform7"), paired=True
    ),
    "ssim_gray": Metric(
        "SSIM grey", "ssim/gauss11/gray", "high", _image("ssim_gray"), paired=True, standard=False
    ),
    "ssim_uniform7_gray": Metric(
        *("SSIM 7x7 grey", "ssim/uniform7/gray", "high", _image("ssim_uniform7_gray")),
        paired=True, standard=False,
    ),
    "ms_ssim": Metric("MS-SSIM", "ms_ssim/gauss11", "high", _image("ms_ssim"), paired=True),
    "lpips": Metric("LPIPS", "lpips/{}", "low", _image("lpips"), "lpips", paired=True),
    "cpbd": Metric("CPBD", "cpbd/2009", "high", _image("cpbd")),
    "fid": Metric("FID", "fid/inception-tf2048", "low", None, "inception"),
    "csim": Metric("CSIM", "csim/{}", "high", _csim, "identity"),
    "m_lmd": Metric(
        "M-LMD", "m-lmd/px68/{}", "low", _distance(landmarks.mouth_lmd), "landmarks", paired=True
    ),
    "f_lmd": Metric(
        "F-LMD", "lmd/px68/{}", "low", _distance(landmarks.lmd), "landmarks", paired=True
    ),
    "lmd": Metric(
        *("LMD absolute", "lmd/px68/absolute/{}", "low", _distance(landmarks.lmd_absolute)),
        "landmarks", paired=True,
    ),
    "lmd_normalised": Metric(
        *("LMD normalised", "lmd/normalised/{}", "low", _distance(landmarks.normalised_lmd)),
        "landmarks", paired=True,
    ),
    "lse_d": Metric("LSE-D", "lse/{}", "low", _lip_sync("lse_d"), "sync", hears=True),
    "lse_c": Metric("LSE-C", "lse/{}", "high", _lip_sync("lse_c"), "sync", hears=True),
    "av_offset": Metric("AVOff", "lse/{}", "zero", _lip_sync("offset"), "sync", hears=True),
    "av_confidence": Metric("AVConf", "lse/{}", "high", _lip_sync("lse_c"), "sync", hears=True),
    "silence": Metric(
        "silence", "silence/motion-energy/{}", "low", _silence, "landmarks", hears=True
    ),
    "drift": Metric("drift, ms", "drift/theil-sen/{}", "zero", _drift, "landmarks", paired=True),
    "blinks": Metric("blinks/min", "blink-rate/ear/{}", "truth", _blinks, "landmarks"),
    "diversity": Metric("diversity", "diversity/pairwise/{}", "high", None, "landmarks"),
    "jerk": Metric("jerk", "jerk/px68/{}", "truth", _jerk, "landmarks"),
}  # fmt: skip
STANDARD = tuple(key for key, metric in METRICS.items() if metric.standard)


def protocol(key, observers):
    """The id under which a metric is told, by what looks."""
    metric = METRICS[key]
    if metric.family not in observers:
        return metric.protocol.removesuffix("/{}") if "{}" in metric.protocol else metric.protocol
    observer = observers[metric.family]
    blind = "landmarks" not in observers and observer.blind_protocol
    return metric.protocol.format(blind or observer.protocol).rstrip("/")


def values(keys, seen, real, heard):
    """{metric: float, or the reason why there is none}, of one video of one clip.

    Args:
      keys: of `METRICS` that are means over clips.
      seen, real: `Seen` of the judged video and the real one.
      heard: `Heard` of what it is to speak, or the `UserError` in its place.
    """
    found = {}
    for key in keys:
        metric = METRICS[key]
        try:
            for faults in (seen.faults, real.faults):
                if metric.family in faults:
                    raise faults[metric.family]
            if metric.hears and isinstance(heard, Exception):
                raise heard
            value = float(metric.value(seen, real, heard))
            found[key] = value if np.isfinite(value) else f"found {value}"
        except UserError as error:
            found[key] = " ".join(str(error).split())
    return found
