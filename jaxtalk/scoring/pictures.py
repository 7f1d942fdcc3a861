"""What a person looks at: plots of the metrics, contact sheets and videos of single clips."""

import itertools

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from jaxtalk.core.errors import UserError
from jaxtalk.media.image import write_png
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.scoring.report import ROW_NAMES, number

PLOT_INCHES = (7.2, 2.6)
INK = (20, 20, 20)
ROW_COLOURS = {
    "pred": "tab:blue",
    "real": "tab:green",
    "static": "tab:orange",
    "wrong_audio": "tab:red",
}
SHEET_FRAMES, SHEET_PX = 8, 160
LABEL_PX = 20
FALLBACKS = ("lse_c", "csim")  # to rank clips by
MAX_VIDEO_FRAMES = 250  # of a video side by side


def plot(metric, clips):
    """A metric's clips in order of their values, with the means of all rows and the interval.

    Args:
      metric: of the report's `metrics`, measured.
      clips: [N] values of the predictions.

    Returns:
      matplotlib's Figure.
    """
    figure = Figure(figsize=PLOT_INCHES, layout="constrained")
    axis = figure.subplots()
    axis.plot(np.sort(np.asarray(clips, float)), "o", color=ROW_COLOURS["pred"], markersize=4)
    for row, values in metric["rows"].items():
        if (mean := values["value"]) is not None:
            text = f"{ROW_NAMES[row]} {number(mean)}"
            axis.axhline(mean, color=ROW_COLOURS[row], label=text)
    if interval := metric["rows"]["pred"]["interval"]:
        axis.axhspan(*interval, color=ROW_COLOURS["pred"], alpha=0.15, label="95 % interval")
    axis.set_title(f"{metric['name']}   {metric['protocol']}", loc="left", fontsize=10)
    axis.set_xlabel("clips in order of their values")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False)
    return figure


def write_plots(folder, report):
    """Writes <folder>/plots/<metric>.png of all that was measured on clips; names of the files."""
    (folder / "plots").mkdir(exist_ok=True)
    names = []
    for key, metric in report["metrics"].items():
        clips = [values[key] for values in report["clips"].values() if key in values]
        if clips and metric["rows"]:
            names.append(f"plots/{key}.png")
            plot(metric, clips).savefig(folder / names[-1], dpi=100)
    return names


def chosen_clips(report, clips, rank_by):
    """{"best" | "median" | "worst": clip}, by a metric for which high or low is better.

    Where it was not measured, by LSE-C or CSIM; fewer of less than 3 clips.
    """
    if not any(rank_by in values for values in report["clips"].values()):
        rank_by = next((k for k in FALLBACKS if report["metrics"].get(k, {}).get("rows")), rank_by)
    better = report["metrics"].get(rank_by, {}).get("better")
    values = {name: v[rank_by] for name, v in report["clips"].items() if rank_by in v}
    order = sorted(values, key=values.get, reverse=better == "high")
    if not order or better not in ("high", "low"):
        return {}
    by_name = {clip.name: clip for clip in clips}
    places = {"best": 0, "worst": len(order) - 1, "median": len(order) // 2}
    found, taken = {}, set()
    for label, place in places.items():
        if order[place] not in taken:
            found[label] = by_name[order[place]]
            taken.add(order[place])
    return found


def labelled(frames, names):
    """Pictures of one size side by side under their names: list of uint8 [H, W, 3] -> uint8.

    Small ones are shown in larger pixels.
    """
    factor = -(-SHEET_PX // frames[0].shape[1])
    frames = [frame.repeat(factor, axis=0).repeat(factor, axis=1) for frame in frames]
    height, width = frames[0].shape[:2]
    image = Image.new("RGB", (width * len(frames), height + LABEL_PX), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for i, (frame, name) in enumerate(zip(frames, names)):
        image.paste(Image.fromarray(frame), (i * width, LABEL_PX))
        draw.text((i * width + 4, 3), name, INK, font)
    return np.array(image)


def contact_sheet(pairs, title):
    """Eight frames of target and prediction, below each other.

    Args:
      pairs: list of (target, prediction), each `thumbnail` of a frame.
      title: of the sheet.
    """
    indices = np.linspace(0, len(pairs) - 1, min(SHEET_FRAMES, len(pairs))).astype(int)
    width, height = pairs[0][0].size
    sheet = Image.new("RGB", (width * len(indices), 2 * height + 2 * LABEL_PX), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    draw.text((4, 3), f"{title}: target above, prediction below", INK, font)
    for column, index in enumerate(indices):
        for row, picture in enumerate(pairs[index]):
            sheet.paste(picture, (column * width, LABEL_PX + row * height))
        draw.text((column * width + 4, LABEL_PX + 2 * height + 3), f"frame {index}", INK, font)
    return np.array(sheet)


def thumbnail(frame):
    """uint8 [H, W, 3] -> a picture whose longer side has 160 px."""
    height, width = frame.shape[:2]
    scale = SHEET_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)


def write_clips(folder, chosen):
    """Writes <folder>/clips/<label>.mp4, both side by side with the speech, and <label>.png.

    Of the first 10 s at most.

    Returns:
      Names of the files.
    """
    (folder / "clips").mkdir(exist_ok=True)
    names = []
    for label, clip in chosen.items():
        try:
            audio = clip.audio()
        except UserError:  # told in the notes of the clip
            audio = None
        names += [f"clips/{label}.png", f"clips/{label}.mp4"]
        pairs = itertools.islice(zip(clip.real(), clip.pred()), MAX_VIDEO_FRAMES)
        small = []
        with VideoWriter(folder / names[-1], audio=audio, comment=f"{label}: {clip.name}") as file:
            for pair in pairs:
                file.write(labelled(pair, ("target", "prediction")))
                small.append([thumbnail(frame) for frame in pair])
        write_png(folder / names[-2], contact_sheet(small, f"{label}, {clip.name}"))
    return names
