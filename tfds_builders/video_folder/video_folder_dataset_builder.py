"""TFDS builder of any folder of videos; who speaks in a video is the folder that it is in."""

from jaxtalk.core.errors import UserError
from tfds_builders.preparation import sources
from tfds_builders.preparation.corpus import Corpus

UNSORTED = "unsorted"
_TEST_PART, _VALIDATION_PART = 0.1, 0.05


class VideoFolder(Corpus):
    """Clips of any folder of videos, in the schema that all corpora of this project share.

    The first folder below the root is the speaker: a test speaker is not in the training split.
    """

    name = "video_folder"

    def list_sources(self, root):
        """See `Corpus.list_sources`."""
        paths, faults = sources.walk(root)
        videos = [path for path in paths if sources.is_video(path)]
        if not videos:
            raise UserError(
                f"--root: found {sources.contents(root)} in {root}, and no video below it; "
                f"expected files that end in {', '.join(sources.VIDEO_SUFFIXES)}"
            )
        split_of = splits(map(speaker_of, videos))
        names = sources.unique_names(videos)
        return sources.Listing(
            [
                sources.Source(
                    names[path], f"{root}/{path}", speaker_of(path), split_of[speaker_of(path)]
                )
                for path in videos
            ],
            faults,
        )


def speaker_of(path):
    """From a path relative to the root to the name of the speaker."""
    folder, slash, _ = path.partition("/")
    return folder if slash else UNSORTED


def splits(speakers):
    """dict from speaker to split: a tenth test, a twentieth validation, the rest train."""
    speakers = set(speakers)
    test = sources.held_out(speakers, _TEST_PART, "test")
    validation = sources.held_out(speakers - test, _VALIDATION_PART, "validation")
    names = {**dict.fromkeys(speakers, "train"), **dict.fromkeys(test, "test")}
    return {**names, **dict.fromkeys(validation, "validation")}
