"""Which clips are scored: files of predictions and targets, matched by name and checked."""

import functools
import hashlib
import itertools
import pathlib
import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxtalk.core.errors import UserError
from jaxtalk.media.audio import read_audio, to_int16
from jaxtalk.media.video import FPS, read_video, video_info
from jaxtalk.scoring import landmark_files

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".wmv")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".wma", ".aiff", *VIDEOS)
NAMED_IN_MESSAGE = 5


class Clip(NamedTuple):
    """A video to score.

    name: one line, unique. pred, real: functions that give an iterator of uint8 [H, W, 3] at 25
    fps; both of one size. audio: function -> int16 [S] at 16 kHz, what `pred` is to speak.
    real_audio, wrong_audio: functions, what `real` speaks, and what it does not. paired: whether
    frame k of `real` is the ground truth of frame k of `pred`; otherwise `real` only shows the
    person, and begins with the portrait. seeds: functions as `pred`, of other seeds. notes: what
    differs between the two. landmarks: functions that give [T, 68, 2] px of `pred`, `real` and each
    of `seeds`, NaN in frames without a face; empty where somebody has to look for them. files: what
    the values are read from, {use: SHA-256}; empty where nothing is.
    """

    name: str
    pred: Callable
    real: Callable
    audio: Callable
    real_audio: Callable
    wrong_audio: Callable
    paired: bool = True
    seeds: tuple[Callable, ...] = ()
    notes: tuple[str, ...] = ()
    landmarks: tuple[Callable, ...] = ()
    files: Mapping[str, str] = types.MappingProxyType({})


def files_of(option, folder, endings):
    """Path without its ending, relative to the folder -> path, in order of the names.

    Raises:
      UserError: no such folder, none of these files in it, or two of one name.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"--{option}: found no folder {folder}, expected one with videos in it")
    found = {}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in endings):
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in found:
            raise UserError(
                f"--{option}: found {found[name].name} and {path.name}, expected one file of each "
                "name; remove one of them"
            )
        found[name] = path
    if not found:
        raise UserError(
            f"--{option}: found no files {', '.join(endings[:4])}, ... in {folder}, expected one "
            "for each clip"
        )
    return found


def folder_clips(
    pred, target, audio=None, *, seeds=(), landmarks=False, limit=None, allow_mismatch=False
):
    """The clips of two folders.

    Speech is that of `audio`, else of the prediction, else of the target.

    Args:
      pred, target: folders of videos, whose names match but for their endings.
      audio: None, or a folder of sounds or videos of the same names.
      seeds: further folders of predictions, made with other seeds.
      landmarks: whether they are in files beside the videos, see `landmark_files`.
      limit: number of clips, from the first; None = all.
      allow_mismatch: score what both sides have, with a note, instead of raising.

    Returns:
      (list of `Clip`, {name: why it cannot be scored} of files that cannot be read).

    Raises:
      UserError: empty folders; names, lengths, sizes or rates that differ, without
        `allow_mismatch`; nothing in common; videos without landmarks, where there should be some.
    """
    folders = {"pred": files_of("pred", pred, VIDEOS), "target": files_of("target", target, VIDEOS)}
    if audio is not None:
        folders["audio"] = files_of("audio", audio, SOUNDS)
    for i, folder in enumerate(seeds):
        folders[f"more_seeds {i + 1}"] = files_of("more_seeds", folder, VIDEOS)
    every = common_names(folders, allow_mismatch)
    names = every[:limit]
    points = {}
    if landmarks:
        for side in (side for side in folders if side != "audio"):
            videos = {name: folders[side][name] for name in names}
            points[side] = landmark_files.beside(side, videos)
    infos, unreadable = {}, {}
    pair_of = functools.cache(
        lambda name: [video_info(folders[side][name]) for side in ("pred", "target")]
    )
    for name in names:
        try:
            pair = pair_of(name)
            for files in points.values():
                landmark_files.read_landmarks(files[name])
            infos[name] = pair
        except UserError as error:
            unreadable[name] = str(error)
    if not infos:
        raise UserError(f"--pred: none of {len(names)} clips can be read: {unreadable[names[0]]}")
    differences = {name: _differences(*pair) for name, pair in infos.items()}
    differing = {name: found for name, found in differences.items() if found}
    if differing and not allow_mismatch:
        listed = "; ".join(
            f"{name}: {', '.join(found)}"
            for name, found in itertools.islice(differing.items(), NAMED_IN_MESSAGE)
        )
        raise UserError(
            f"--pred and --target: found {len(differing)} of {len(infos)} clips that differ "
            f"(prediction, target): {listed}; expected equal lengths, sizes and rates; "
            "--allow_mismatch scores the common part"
        )
    clips, content = [], functools.cache(_sha256)
    for name in infos:
        other, other_infos = _following(name, every, pair_of)
        own = {side: paths[name] for side, paths in folders.items()}
        size = _common_size(*infos[name])
        wrong = _speech_file("target", other, folders, other_infos) if other else None
        read = own | {f"{side} landmarks": files[name] for side, files in points.items()}
        read |= {"wrong audio": wrong} if wrong else {}
        clips.append(
            Clip(
                name=name,
                pred=_frames(own["pred"], size),
                real=_frames(own["target"], size),
                audio=_speech(_speech_file("pred", name, folders, infos[name])),
                real_audio=_speech(_speech_file("target", name, folders, infos[name])),
                wrong_audio=_speech(wrong) if other else _no_other,
                seeds=tuple(_frames(own[f"more_seeds {k + 1}"], size) for k in range(len(seeds))),
                notes=tuple(differences[name]),
                landmarks=tuple(_points(side, name, points, infos) for side in points),
                files={use: content(path) for use, path in read.items()},
            )
        )
    return clips, unreadable


def common_names(folders, allow_mismatch):
    """Sorted names that all sides have: {option: {name: path}} -> list.

    Raises:
      UserError: they differ and `allow_mismatch` is not set, or none is common.
    """
    common = set.intersection(*(set(files) for files in folders.values()))
    every = set.union(*(set(files) for files in folders.values()))
    if common != every and not allow_mismatch:
        lacking = []
        for side, files in folders.items():
            missing = sorted(every - set(files))
            if missing:
                more = "" if len(missing) <= NAMED_IN_MESSAGE else ", ..."
                listed = f"{', '.join(missing[:NAMED_IN_MESSAGE])}{more}"
                lacking.append(f"--{side} ({len(files)} files) lacks {len(missing)}: {listed}")
        raise UserError(
            f"names differ: {'; '.join(lacking)}; expected the same names on all sides; "
            "--allow_mismatch scores the common ones"
        )
    if not common:
        first = {side: min(files) for side, files in folders.items()}
        raise UserError(
            "names differ: found no clip of one name on all sides, such as "
            f"{' and '.join(f'{name!r} in --{side}' for side, name in first.items())}; rename them"
        )
    return sorted(common)


def _following(name, every, pair_of):
    """(the next name of all that can be read, its infos), or (None, None): no other can."""
    i = every.index(name)
    for other in (*every[i + 1 :], *every[:i]):
        try:
            return other, pair_of(other)
        except UserError:
            continue
    return None, None


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _differences(pred, target):
    """What differs between two `VideoInfo`, as texts."""
    found = []
    if None not in (pred.duration_s, target.duration_s):
        lengths = [round(info.duration_s * FPS) for info in (pred, target)]
        if lengths[0] != lengths[1]:
            found.append(f"{lengths[0]} and {lengths[1]} frames at {FPS} fps")
    sizes = [f"{info.width} x {info.height}" for info in (pred, target)]
    if sizes[0] != sizes[1]:
        found.append(f"{sizes[0]} and {sizes[1]} px")
    if None not in (pred.fps, target.fps) and abs(pred.fps - target.fps) > 0.01:
        found.append(f"{pred.fps:.2f} and {target.fps:.2f} fps")
    return found


def _common_size(pred, target):
    """(width, height) of the smaller of two videos; None where they are of one size."""
    sizes = [(info.width, info.height) for info in (pred, target)]
    return None if sizes[0] == sizes[1] else min(sizes, key=np.prod)


def _frames(path, size):
    def frames():
        for frame in read_video(path):
            if size is None or frame.shape[1::-1] == size:
                yield frame
            else:
                yield np.array(Image.fromarray(frame).resize(size, Image.Resampling.HAMMING))

    return frames


def _points(side, name, points, infos):
    """Function that reads a clip's landmarks, in px of the frames of `_frames`."""
    width, height = _common_size(*infos[name]) or (None, None)
    # Seeds are compared with each other in face heights, whatever the size.
    info = dict(zip(("pred", "target"), infos[name])).get(side)
    scale = (1.0, 1.0) if None in (width, info) else (width / info.width, height / info.height)
    return lambda: landmark_files.read_landmarks(points[side][name], scale)


def _speech_file(side, name, folders, infos):
    """File of a clip's speech, of --audio, else of this side, else of the other one; or None.

    Args:
      infos: of the prediction and the target of that name.
    """
    order = {"pred": ("pred", "target"), "target": ("target", "pred")}[side]
    has_audio = dict(zip(("pred", "target"), (info.has_audio for info in infos)))
    sides = ["audio"] if "audio" in folders else [s for s in order if has_audio[s]]
    return folders[sides[0]][name] if sides else None


def _speech(path):
    def audio():
        if path is None:
            raise UserError("no audio: neither prediction nor target has sound; give --audio")
        return to_int16(read_audio(path))

    return audio


def _no_other():
    raise UserError("wrong audio: found a single clip, expected another one to take it of")
