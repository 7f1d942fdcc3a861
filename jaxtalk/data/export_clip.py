"""Writes one clip of a corpus as files, to animate its portrait and to compare with the truth.

python -m jaxtalk.data.export_clip --dataset procedural_heads/demo_64 --data_dir data \\
    --split test --index 0 --image portrait.png --audio speech.wav --video truth.mp4
"""

import argparse
import sys

from ml_collections import ConfigDict

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import open_corpus
from jaxtalk.media.audio import write_wav
from jaxtalk.media.image import write_png
from jaxtalk.media.video import decode_frames, num_frames
from jaxtalk.media.video_writer import VideoWriter


def export_clip(dataset, split, index, *, image=None, audio=None, video=None):
    """Writes the first frame (PNG), the speech (WAV) and the clip with it (mp4) that have a name.

    Raises:
      UserError: no such corpus, split or clip; a file cannot be written.
    """
    corpus = open_corpus(dataset, split)
    if not 0 <= index < len(corpus):
        raise UserError(f"index: found {index}, expected 0 to {len(corpus) - 1} in {split!r}")
    clip = corpus[index]
    if image:
        write_png(image, decode_frames(clip["video"], [0])[0])
    if audio:
        write_wav(audio, clip["audio"])
    if video:
        comment = f"{dataset.name} {split} {index}"
        with VideoWriter(video, audio=clip["audio"], comment=comment) as writer:
            for frame in decode_frames(clip["video"], range(num_frames(clip["video"]))):
                writer.write(frame)


def main():
    """Command line; a user's fault is one line and exit code 1."""
    parser = argparse.ArgumentParser(description="Writes one clip of a corpus as files.")
    parser.add_argument("--dataset", required=True, help="e.g. procedural_heads/demo_64")
    parser.add_argument("--data_dir", default="data", help="folder that holds the corpora")
    parser.add_argument("--split", default="test")
    parser.add_argument("--index", type=int, default=0, help="number of the clip in the split")
    parser.add_argument("--image", help="PNG to write: the first frame")
    parser.add_argument("--audio", help="WAV to write: the speech")
    parser.add_argument("--video", help="mp4 to write: the clip")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    args = parser.parse_args()
    dataset = ConfigDict({"name": args.dataset, "data_dir": args.data_dir})
    try:
        export_clip(
            dataset, args.split, args.index, image=args.image, audio=args.audio, video=args.video
        )
    except (UserError, OSError) as error:  # OSError: a disk that is full, a corpus out of reach
        if args.debug:
            raise
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
