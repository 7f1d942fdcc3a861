"""TFDS builder of VoxCeleb2: utterances of celebrities, cut from YouTube videos.

Layout of the release, its archives unpacked:

    vox2_meta.csv
    dev/mp4/id00012/21Uxsk56VDQ/00001.mp4
    dev/aac/id00012/21Uxsk56VDQ/00001.m4a
    dev/txt/id00012/21Uxsk56VDQ/00001.txt
    test/...                                    118 identities of their own
"""

import collections
import os
import re

from jaxtalk.core.errors import UserError
from tfds_builders.preparation import sources
from tfds_builders.preparation.corpus import Corpus

from .boxes import read_segment

PARTS = ("dev", "test")
_VALIDATION_PART = 0.01
_IDENTITY = re.compile(r"id\d{5}")
_UTTERANCE = re.compile(_IDENTITY.pattern + r"/[^/]+/[^/]+")


class Voxceleb2(Corpus):
    """Clips of VoxCeleb2, in the schema that all corpora of this project share.

    The splits are the official ones, whose identities are disjoint; a hundredth of the development
    identities is the validation split.
    """

    name = "voxceleb2"

    def identity(self, listing):
        """See `Corpus.identity`; where the original videos lie does not count."""
        originals = self.builder_config.options.get("originals", "")
        return {**super().identity(listing), "originals": bool(originals)}

    def list_sources(self, root):
        """See `Corpus.list_sources`; option `originals`: folder of the original videos, or ""."""
        originals = self.builder_config.options.get("originals", "")
        if originals and not os.path.isdir(originals):
            raise UserError(
                f"--originals: found no folder {originals}, expected that of the original videos"
            )
        kind = "txt" if originals else "mp4"
        folders = {part: f"{root}/{part}/{kind}" for part in PARTS}
        if not any(map(os.path.isdir, folders.values())):
            raise UserError(
                f"--root: found {sources.contents(root)} in {root}, expected VoxCeleb2's folders "
                f"dev/{kind} and test/{kind} with identities such as id00012; unpack its archives "
                "there"
            )
        found, missing, of_part = [], [], {}
        for part, folder in folders.items():
            if not os.path.isdir(folder):
                missing.append((f"{part}/{kind}", "found no such folder"))
                continue
            paths, faults = sources.walk(folder)
            missing += [(f"{part}/{kind}/{name}", detail) for name, detail in faults]
            suffix = ".txt" if originals else ".mp4"
            paths = [path for path in paths if path.endswith(suffix)]
            of_part[part] = [path for path in paths if _UTTERANCE.fullmatch(path)]
            others = sorted({_other(path) for path in set(paths) - set(of_part[part])})
            missing += [
                (f"{part}/{kind}/{name}", f"expected such as id00012/21Uxsk56VDQ/00001{suffix}")
                for name in others
            ]
        speakers = {part: {p.split("/")[0] for p in paths} for part, paths in of_part.items()}
        if both := speakers.get("dev", set()) & speakers.get("test", set()):
            raise UserError(
                f"--root: found {', '.join(sorted(both)[:3])} in dev and in test, expected each "
                "identity in one of them"
            )
        validation = sources.held_out(speakers.get("dev", ()), _VALIDATION_PART, "voxceleb2")
        for part, paths in of_part.items():
            make = _from_originals if originals else _from_crops
            of_this, faults = make(root, part, paths, originals)
            found += [
                source._replace(split=_split(part, source.speaker, validation))
                for source in of_this
            ]
            missing += faults
        missing += _missing_identities(root, set.union(set(), *speakers.values()))
        if not found:
            raise UserError(
                f"--root: found no video of VoxCeleb2 below {' and '.join(folders.values())}; "
                f"expected such as dev/{kind}/id00012/21Uxsk56VDQ/00001.{kind}"
            )
        return sources.Listing(sorted(found), missing)


def _other(path):
    """What a path is left out by: its first folder, unless that is an identity."""
    folder = path.split("/")[0]
    return path if _IDENTITY.fullmatch(folder) else folder


def _split(part, speaker, validation):
    if part == "test":
        return "test"
    return "validation" if speaker in validation else "train"


def _from_crops(root, part, paths, _):
    """(`Source`s, missing) of the release's own crops."""
    found = []
    for path in paths:
        name = sources.stem(path)
        audio = f"{root}/{part}/aac/{name}.m4a"
        found.append(
            sources.Source(
                name,
                f"{root}/{part}/mp4/{path}",
                name.split("/")[0],
                part,
                audio=audio if os.path.exists(audio) else None,
            )
        )
    return found, []


def _from_originals(root, part, paths, originals):
    """(`Source`s, missing) of original videos, one for the utterances of an identity in a video."""
    found, missing = [], []
    by_video = collections.defaultdict(list)
    for path in paths:
        by_video[os.path.dirname(path)].append(path)
    there = {sources.stem(p): p for p in sources.walk(originals)[0] if sources.is_video(p)}
    for name, texts in by_video.items():
        speaker, video = name.split("/")
        if video not in there:
            missing.append((name, f"found no {video}.mp4 among the original videos"))
            continue
        segments = []
        for text in texts:
            try:
                segments.append(read_segment(f"{root}/{part}/txt/{text}"))
            except UserError as error:
                missing.append((sources.stem(text), str(error).removeprefix(f"{root}/")))
        if segments:
            path = f"{originals}/{there[video]}"
            found.append(
                sources.Source(
                    name,
                    path,
                    speaker,
                    part,
                    segments=tuple(sorted(segments, key=lambda s: s.start_s)),
                )
            )
    return found, missing


def _missing_identities(root, there):
    """Pairs for the identities that vox2_meta.csv names and no folder has."""
    path = f"{root}/vox2_meta.csv"
    if not os.path.exists(path):
        return [("vox2_meta.csv", "found no such file: missing identities cannot be told")]
    with open(path, encoding="utf-8", errors="replace") as file:
        # Published with commas, and with tabs.
        names = {re.split(r"[,\t]", line)[0].strip() for line in file}
    listed = {name for name in names if _IDENTITY.fullmatch(name)}
    return [(name, "is in vox2_meta.csv, found no video") for name in sorted(listed - there)]
