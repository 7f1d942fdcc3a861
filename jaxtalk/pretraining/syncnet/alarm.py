"""What is told when a SyncNet has not left chance."""

import numpy as np

TIMES_CHANCE = 2  # recall below this has not left chance
CAUSES = """usual causes, the likeliest first:
  offsets: the counts above heap up away from 0, or lie far apart: mend or drop clips whose sound is
    off by more than a frame (their av_offset_frames, data.max_av_offset_frames), and those that
    are not 25 frames per second
  negatives: none, or all of them other clips: loss.num_anchors windows of a clip within 2 s and
    loss.shift_weight above 0 make hard ones; below 2 frames apart (loss.min_gap_frames) they are
    too hard
  mel windows: not exact to the frame, 16 kHz with 640 samples a frame; in previews/similarity the
    bright diagonal then lies beside the middle, or there is none
  else: the mouth is not in sight (model.first_row), the learning rate"""


def at_chance(step, values, annotations, *, max_offset):
    """The warning, or None when the network does better than chance.

    Args:
      step: of the training.
      values: of the stage's `eval_step`: `recall_at_1`, `chance`, `offset`, numpy [N] of N clips.
      annotations: (key) -> numpy [n], see `jaxtalk.core.stage`; asked for `av_offset_frames`.
      max_offset: the largest of the offsets that were compared, in frames.
    """
    recall, chance = values["recall_at_1"].mean(), values["chance"].mean()
    if recall >= TIMES_CHANCE * chance:
        return None
    offsets, known = values["offset"], annotations("av_offset_frames")
    return "\n".join(
        [
            f"at step {step} held-out recall_at_1 is {recall:.3f}, where guessing gives "
            f"{chance:.3f}: it has not learned to match sound and picture, and what is trained on "
            "it will not either",
            f"best offset of {len(offsets)} held-out clips, {counts(offsets, max_offset)}",
            f"av_offset_frames of {len(known)} training clips, {counts(known, max_offset)}"
            if len(known)
            else "av_offset_frames: the corpus does not have it, so no clip is dropped by it",
            CAUSES,
        ]
    )


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
