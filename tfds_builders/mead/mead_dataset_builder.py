"""TFDS builder of MEAD: actors in front of seven cameras, eight emotions at up to three levels.

Layout of the release (uniBruce/Mead), each actor's video.tar and audio.tar unpacked beside it:

    M003/video/front/angry/level_1/001.mp4
    M003/audio/angry/level_1/001.m4a

In some actors' folders the view comes after the emotion; the order of these folders does not count.
"""

import os
import re

from jaxtalk.core.errors import UserError
from tfds_builders.preparation import sources
from tfds_builders.preparation.corpus import Corpus

VIEWS = ("front", "left_30", "left_60", "right_30", "right_60", "top", "down")
EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
# Whom the test script of a public release names (yuangan/EAT_code, test_mead.py).
TEST_ACTORS = ("M003", "M030", "W009", "W015")
_VALIDATION_PART = 0.05
_ACTOR = re.compile(r"[MW]\d{3}")


class Mead(Corpus):
    """Clips of MEAD, in the schema that all corpora of this project share.

    `style` is emotion and level, such as "angry_2". Test actors are not in the training split.
    """

    name = "mead"

    def list_sources(self, root):
        """See `Corpus.list_sources`; option `views`: names with commas between."""
        views = _views(self.builder_config.options.get("views", "front"))
        actors = sorted(name for name in os.listdir(root) if _ACTOR.fullmatch(name))
        if not actors:
            raise UserError(
                f"--root: found {sources.contents(root)} in {root}, expected folders of MEAD's "
                "actors, such as M003 and W009, with video/front/angry/level_1/001.mp4 in each"
            )
        validation = sources.held_out(set(actors) - set(TEST_ACTORS), _VALIDATION_PART, "mead")
        found, missing = [], []
        for actor in actors:
            split = "train"
            if actor in TEST_ACTORS:
                split = "test"
            elif actor in validation:
                split = "validation"
            of_actor, faults = _of_actor(root, actor, split, views)
            found += of_actor
            missing += faults
        if not found:
            raise UserError(
                f"--root: found {len(actors)} actors in {root}, and no video of the view "
                f"{' or '.join(views)}; expected such as {actors[0]}/video/{views[0]}/angry/"
                "level_1/001.mp4; unpack video.tar of each actor"
            )
        return sources.Listing(sorted(found), missing)


def _views(text):
    views = text.split(",")
    if unknown := sorted(set(views) - set(VIEWS)):
        raise UserError(f"--views: found {', '.join(unknown)}, expected of {', '.join(VIEWS)}")
    return views


def _of_actor(root, actor, split, views):
    """(`Source`s, missing) of one actor."""
    videos, faults = sources.walk(f"{root}/{actor}/video")
    missing = [(f"{actor}/video/{name}", detail) for name, detail in faults]
    if not os.path.isdir(f"{root}/{actor}/video"):
        return [], [(f"{actor}/video", "found no such folder; unpack video.tar")]
    found, seen = {}, set()
    for path in videos:
        parts = path.split("/")
        view = next((part for part in parts if part in VIEWS), None)
        emotion = next((part for part in parts if part in EMOTIONS), None)
        level = next((part[6:] for part in parts if re.fullmatch(r"level_[123]", part)), None)
        if not sources.is_video(path):
            continue
        if None in (view, emotion, level):
            missing.append(
                (f"{actor}/video/{path}", "found no view, emotion and level in its path")
            )
            continue
        seen.add((view, emotion))
        if view in views:
            name = f"{actor}/{view}/{emotion}/level_{level}/{parts[-1]}"
            if name in found:
                detail = f"found {found[name].path.removeprefix(root + '/')}, which is the same one"
                missing.append((f"{actor}/video/{path}", detail))
                continue
            audio = f"{root}/{actor}/audio/{emotion}/level_{level}/{sources.stem(parts[-1])}.m4a"
            found[name] = sources.Source(
                name,
                f"{root}/{actor}/video/{path}",
                actor,
                split,
                f"{emotion}_{level}",
                audio if os.path.exists(audio) else None,
            )
    missing += [
        (f"{actor}/video/{view}/{emotion}", "found no such folder")
        for view in views
        for emotion in EMOTIONS
        if (view, emotion) not in seen
    ]
    names = sources.unique_names(found)
    return [source._replace(name=names[name]) for name, source in found.items()], missing
