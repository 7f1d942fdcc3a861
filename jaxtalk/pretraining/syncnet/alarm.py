"""What is told when a SyncNet has not left chance."""

import numpy as np

TIMES_CHANCE = 2  # recall below this has not left chance
CAUSES = """(best offsets at both ends, where few windows are compared, are those of a guess)
usual causes, the likeliest first:
  offsets: counts heap up in one place away from 0, or the corpus is of videos in which nobody has
    measured them: build it with --syncnet and the public network, which brings sound and picture in
    step or leaves the clip out (tfds_builders/preparation/README.md); where a corpus notes offsets,
    data.max_av_offset_frames drops clips; drop those that are not 25 frames per second, too
  negatives: none, or other clips alone: take loss.num_anchors windows of each clip and a
    loss.shift_weight above 0; windows below 2 frames apart (loss.min_gap_frames) look the same
  mel windows: not exact to the frame, 16 kHz with 640 samples a frame: in previews/similarity the
    bright diagonal lies beside the middle
  else: the mouth is not in sight (model.first_row), or the learning rate"""


def at_chance(step, values, annotations, *, max_offset):
    """The warning, or None when the network does better than chance.

    Args:
      step: of the training.
      values: of the stage's `eval_step`: `recall_at_1`, `chance`, `offset`, numpy [N] of N clips.
      annotations: see `jaxtalk.core.stage`; asked for `av_offset_frames`, of the clips and of their
        build.
      max_offset: the largest of the offsets that were compared, in frames.
    """
    recall, chance = values["recall_at_1"].mean(), values["chance"].mean()
    if recall >= TIMES_CHANCE * chance:
        return None
    offsets, known = values["offset"], annotations("av_offset_frames")
    measured = annotations("av_offset_frames", built=True)
    return "\n".join(
        [
            f"at step {step} held-out recall_at_1 is {recall:.3f}, where guessing gives "
            f"{chance:.3f}: it has not learned to match sound and picture, and what is trained on "
            "it will not either",
            f"best offset of {len(offsets)} held-out clips, {counts(offsets, max_offset)}",
            f"av_offset_frames {noted(known, measured, max_offset)}",
            CAUSES,
        ]
    )


def noted(offsets, measured, max_offset):
    """What the offsets that a corpus notes, and those that its build has measured, tell.

    The builders here note 0 whether they have measured or not: true of drawn heads, what --syncnet
    leaves of videos, and no finding where videos were built without it.

    Args:
      offsets: `av_offset_frames` of training clips, [N] frames; N = 0 where the corpus lacks it.
      measured: those of build_report.jsonl, [M] frames, before the sound was moved; M = 0 where
        nobody has measured them.
    """
    if len(measured):
        text = (
            f"of {len(measured)} clips, as the build has measured them before it brought sound and "
            f"picture in step, {counts(measured, max_offset)}"
        )
        left = np.count_nonzero(offsets)
        return f"{text}; {left} of {len(offsets)} training clips are noted with another than 0 left"
    if not len(offsets):
        return "is not in the corpus, so no clip is dropped by it"
    if not np.any(offsets):
        return (
            f"of {len(offsets)} training clips: all 0, which is true of drawn heads; of videos it "
            "says that they were not measured, as build_report.jsonl beside the corpus has none"
        )
    return f"of {len(offsets)} training clips, {counts(offsets, max_offset)}"


def counts(offsets, max_offset):
    """How many clips have which offset; what is farther off counts as the farthest.

    Args:
      offsets: [N] frames, whole.

    Returns:
      E.g. "-2 .. 2 frames: 0 1 30 1 0, most at 0".
    """
    nearest = np.clip(np.rint(offsets).astype(int), -max_offset, max_offset)
    histogram = np.bincount(nearest + max_offset, minlength=2 * max_offset + 1)
    listed = " ".join(map(str, histogram))
    most = histogram.argmax() - max_offset
    return f"{-max_offset} .. {max_offset} frames: {listed}, most at {most}"
