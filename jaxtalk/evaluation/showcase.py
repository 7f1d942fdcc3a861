"""What a checkpoint's videos look like: a page of pictures and short videos in Markdown.

  python -m jaxtalk.evaluation.showcase --checkpoint bundle --data_dir data --out docs/results

Of two clips of the corpus, the second of another speaker: a portrait with its speech by three
seeds, the same speech with the second one's head motion, the ablations beside the whole system, a
walk through the latent space of the prior, and the learning curves of work directories. Rows of a
picture are videos, columns evenly spaced frames. Everything is written to a folder beside --out and
moved there at the end.
"""

import json
import pathlib
import shlex
import tempfile

import numpy as np
from matplotlib.figure import Figure
from ml_collections import ConfigDict
from PIL import Image

from jaxtalk.core import command_line
from jaxtalk.core.errors import UserError
from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation.clips import NUM_SEEDS, VIDEOS, read_source
from jaxtalk.media.image import write_png
from jaxtalk.media.video_writer import VideoWriter, synthetic_note
from jaxtalk.talker import Talker

SCALE = 2  # px of the page for one of the model
COLUMNS = 10
TEMPERATURES = (0.0, 0.5, 1.0, 1.5, 2.0)
ABLATIONS = {"no_flow": "without the flow", "no_sync": "without the sync loss"}


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.evaluation.showcase", __doc__)
    parser.add_argument("--checkpoint", required=True, help='a work directory, or "bundle"')
    parser.add_argument("--dataset", default="procedural_heads/demo_64")
    parser.add_argument("--data_dir", default="data", help="folder that holds the corpora")
    parser.add_argument("--split", default="test")
    parser.add_argument("--index", type=int, default=0, help="number of the clip in the split")
    for name, meaning in ABLATIONS.items():
        parser.add_argument(f"--{name}", help=f"work directory of a run {meaning}")
    parser.add_argument(
        "--runs",
        nargs="*",
        default=[],
        help="work directories, for the curves; each stage's is of the first one that has it",
    )
    parser.add_argument("--out", required=True, help="folder of the page")
    args = parser.parse_args(argv)
    args.command = shlex.join(["python", "-m", "jaxtalk.evaluation.showcase", *argv])
    return args


def showcase(args):
    """Makes the page."""
    dataset = ConfigDict({"name": args.dataset, "data_dir": args.data_dir})
    named = {"checkpoint": args.checkpoint, **{name: getattr(args, name) for name in ABLATIONS}}
    talkers = {name: Talker.load(path) for name, path in named.items() if path}
    clip, other = two_clips(dataset, args.split, args.index, talkers["checkpoint"].image_size)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as temporary:
        folder = pathlib.Path(temporary)
        learning = curves(folder, args.runs)  # first: it may find a fault
        write_png(folder / "portrait.png", enlarged(clip.frames[:1])[0])
        sections = [
            *videos_of(folder, talkers, clip, other),
            walk(folder, talkers["checkpoint"], clip),
            *learning,
        ]
        title = f"# What {talkers['checkpoint'].name} makes"
        head = [title, "", f"`{args.command}`", "", "![the portrait](portrait.png)", ""]
        (folder / "README.md").write_text("\n".join([*head, *sections, *beside(out)]))
        for path in folder.iterdir():
            path.replace(out / path.name)
    print(f"wrote {out / 'README.md'}")


def two_clips(dataset, split, index, size):
    """`Source` of the clip and of the next one of another speaker.

    Raises:
      UserError: no such clip, or a split of one speaker.
    """
    corpus = open_corpus(dataset, split)
    if not 0 <= index < len(corpus):
        raise UserError(f"--index: found {index}, expected 0 to {len(corpus) - 1} in {split!r}")
    following = [*range(index + 1, len(corpus)), *range(index)]
    speaker = corpus[index]["speaker"]
    others = (corpus[i] for i in following if corpus[i]["speaker"] != speaker)
    other = next(others, None)
    if other is None:
        raise UserError(f"--split: found a single speaker in {split!r}, expected several")
    return read_source(corpus[index], size), read_source(other, size)


def videos_of(folder, talkers, clip, other):
    """Sections of the page: videos side by side, and a sheet of them."""
    talker, seeds = talkers["checkpoint"], ["speech", *(f"seed_{i}" for i in range(1, NUM_SEEDS))]
    ablations = [name for name in ABLATIONS if name in talkers]
    frames = {"real": clip.frames, "source": other.frames}
    for name in ("reconstructed", *seeds, "motion", *ablations):
        frames[name] = np.concatenate(list(VIDEOS[name](talkers, clip, other, 0)))
    plans = [
        ("speech", "Speech and a portrait", ["real", "reconstructed", *seeds],
         "the real video, the same through encoder and generator, three seeds"),
        ("motion", "Motion of another video", ["source", "motion", "real"],
         "the motion source, its motion with this portrait and speech, the real video"),
    ]  # fmt: skip
    if ablations:
        without = ", ".join(ABLATIONS[name] for name in ablations)
        rows = ["real", "speech", *ablations]
        plans.append(("ablations", "Ablations", rows, f"the real video, the whole, {without}"))
    sections = []
    for name, title, rows, text in plans:
        length = min(len(frames[row]) for row in rows)
        videos = np.stack([frames[row][:length] for row in rows])
        write_sheet(folder / f"{name}.png", videos)
        write_side_by_side(folder / f"{name}.mp4", videos, clip.audio, talker)
        sections += [
            f"## {title}",
            "",
            f"From above: {text}. [With sound]({name}.mp4), from the left.",
        ]
        sections += ["", f"![frames]({name}.png)", ""]
    return sections


def walk(folder, talker, clip):
    """Section of the page: one moment as the noise of the prior grows, a row for each seed."""
    moment = len(clip.frames) // 2
    speech = clip.audio[: 640 * (moment + 1)]
    rows = []
    for seed in range(NUM_SEEDS):
        made = (
            talker.generate(clip.frames[0], speech, seed=seed, temperature=temperature)
            for temperature in TEMPERATURES
        )
        rows.append([np.concatenate(list(frames))[moment] for frames in made])
    write_sheet(folder / "walk.png", np.array(rows))
    factors = ", ".join(f"{temperature:g}" for temperature in TEMPERATURES)
    return "\n".join([
        *("## A walk through the latent space of the prior", ""),
        f"Frame {moment} of the same speech as the noise of the prior is multiplied by {factors}; "
        "a row for each seed.",
        *("", "![frames](walk.png)", ""),
    ])  # fmt: skip


def curves(folder, runs):
    """Section of the page: held-out values of each stage over its steps, from the first of the work
    directories that has a curve of it."""
    found = {}
    for path in (path for run in runs for path in pathlib.Path(run).glob("*/metrics.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows = [row for row in rows if any(key.startswith("eval/") for key in row)]
        if len(rows) > 1:
            found.setdefault(path.parent.name, rows)
    if runs and not found:
        raise UserError(f"--runs: found no metrics.jsonl of a stage in {', '.join(runs)}")
    sections = ["## Learning curves", "", "Values on held-out clips over the steps.", ""]
    for stage, rows in sorted(found.items()):
        write_curves(folder / f"curves_{stage}.png", stage, rows)
        sections += [f"![{stage}](curves_{stage}.png)", ""]
    return sections if found else []


def beside(out):
    """Section of the page: the reports and notes that lie there already."""
    paths = [*sorted(out.glob("*/report.md")), *sorted(out.glob("*.md"))]
    names = [path.relative_to(out).as_posix() for path in paths if path.name != "README.md"]
    return (
        ["## Beside this page", "", *(f"- [{name}]({name})" for name in names), ""] if names else []
    )


def write_curves(path, title, rows):
    """A panel for each held-out value."""
    names = sorted({key for row in rows for key in row if key.startswith("eval/")})
    figure = Figure(figsize=(2.6 * len(names), 2.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        points = [(row["step"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points), marker=".")
        axis.set_title(f"{title}: {name.removeprefix('eval/')}", fontsize=8)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=7)
    figure.savefig(path, dpi=100)


def enlarged(frames):
    """uint8 [T, H, W, 3] -> [T, SCALE * H, SCALE * W, 3]."""
    size = (frames.shape[2] * SCALE, frames.shape[1] * SCALE)
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.BICUBIC)) for f in frames])


def write_sheet(path, videos):
    """A picture of evenly spaced frames: a row for each video of uint8 [N, T, H, W, 3]."""
    length = videos.shape[1]
    index = np.linspace(0, length - 1, min(length, COLUMNS)).round().astype(int)
    rows = [np.concatenate(list(enlarged(video[index])), axis=1) for video in videos]
    write_png(path, np.concatenate(rows))


def write_side_by_side(path, videos, audio, talker):
    """An mp4 of the videos [N, T, H, W, 3] in a row, with the sound."""
    with VideoWriter(path, audio=audio, crf=23, comment=synthetic_note(talker.name, 0)) as writer:
        for frames in videos.transpose(1, 0, 2, 3, 4):
            writer.write(np.concatenate(list(enlarged(frames)), axis=1))


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(showcase, parse, argv)


if __name__ == "__main__":
    main()
