"""Animates a portrait with speech.

  python -m jaxtalk.generate --checkpoint runs/quickstart --image me.png --audio talk.wav \
      --out talk.mp4 [--motion clip.mp4] [--seed 1]

The video carries the sound and a note that it is synthetic. It appears when it is complete.
"""

import time

from jaxtalk.core import command_line
from jaxtalk.media.files import check_replaces_none
from jaxtalk.media.inputs import face_boxes
from jaxtalk.media.video import FPS
from jaxtalk.media.video_writer import VideoWriter, synthetic_note
from jaxtalk.talker import BLOCK_FRAMES, Talker
from jaxtalk.training.mesh import use_compilation_cache


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.generate", __doc__)
    parser.add_argument("--checkpoint", required=True, help='a work directory, or "bundle"')
    parser.add_argument("--image", required=True, help="the portrait")
    parser.add_argument("--audio", required=True, help="speech: an audio or video file")
    parser.add_argument("--out", required=True, help="the video to write, .mp4")
    parser.add_argument("--motion", help="a video whose head motion and blinks to take")
    crops = {"choices": ("square", "face"), "default": "square"}
    parser.add_argument("--crop", **crops, help="take the centred square, or that around the face")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 = likeliest motion")
    parser.add_argument("--chunk_frames", type=int, default=BLOCK_FRAMES, help="frames at a time")
    return parser.parse_args(argv)


def generate(args):
    """Writes the video."""
    check_replaces_none(args.out, image=args.image, audio=args.audio, motion=args.motion)
    boxes = face_boxes(args.image, args.motion) if args.crop == "face" else {}
    talker = Talker.load(args.checkpoint)
    start_s, shown_s, num_frames = time.monotonic(), 0.0, 0
    note = synthetic_note(talker.name, args.seed)
    with VideoWriter(args.out, audio=args.audio, comment=note) as writer:
        for frames in talker.generate(
            args.image,
            args.audio,
            motion=args.motion,
            seed=args.seed,
            temperature=args.temperature,
            chunk_frames=args.chunk_frames,
            **boxes,
        ):
            for frame in frames:
                writer.write(frame)
            num_frames += len(frames)
            elapsed_s = time.monotonic() - start_s
            if elapsed_s - shown_s >= 5:
                shown_s = elapsed_s
                print(f"{num_frames} frames, {num_frames / elapsed_s:.1f} frames/s", flush=True)
    rate = num_frames / (time.monotonic() - start_s)
    print(f"{args.out}: {num_frames / FPS:.2f} s, {num_frames} frames, {rate:.1f} frames/s in all")


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(generate, parse, argv)


if __name__ == "__main__":
    use_compilation_cache("~/.cache/jaxtalk")
    main()
