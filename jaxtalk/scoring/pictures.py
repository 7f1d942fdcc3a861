"""What a person looks at: plots of the metrics, contact sheets and videos of single clips."""

import itertools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxtalk.core.errors import UserError
from jaxtalk.media.image import write_png
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.scoring.report import ROW_NAMES, number

PLOT = (720, 260)  # px
MARGIN = (60, 40, 20, 40)  # left, top, right, bottom
INK, GREY, DOT, BAND = (20, 20, 20), (150, 150, 150), (40, 90, 180), (222, 230, 246)
ROW_COLOURS = {
    "pred": DOT,
    "real": (30, 140, 60),
    "static": (190, 110, 20),
    "wrong_audio": (190, 40, 60),
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
      uint8 [260, 720, 3].
    """
    image = Image.new("RGB", PLOT, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    left, top, right, bottom = MARGIN
    width, height = PLOT[0] - left - right, PLOT[1] - top - bottom
    means = {row: m["value"] for row, m in metric["rows"].items() if m["value"] is not None}
    clips = np.sort(np.asarray(clips, float))
    everything = np.array([*clips, *means.values(), *(metric["rows"]["pred"]["interval"] or ())])
    low, high = everything.min(), everything.max()
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)

    def y(value):
        return top + height * (1 - (value - low) / (high - low))

    draw.text((left, 6), f"{metric['name']}   {metric['protocol']}", INK, font)
    draw.line([(left, top), (left, top + height), (left + width, top + height)], GREY)
    for value in (low, high):
        draw.text((4, y(value) - 8), number(value), INK, font)
    if interval := metric["rows"]["pred"]["interval"]:
        draw.rectangle([left + 1, y(interval[1]), left + width, y(interval[0])], BAND)
    place = left
    for row, mean in means.items():
        draw.line([(left, y(mean)), (left + width, y(mean))], ROW_COLOURS[row], 2)
        text = f"{ROW_NAMES[row]} {number(mean)}"
        draw.text((place, PLOT[1] - 28), text, ROW_COLOURS[row], font)
        place += draw.textlength(text, font) + 18
    for i, value in enumerate(clips):
        x = left + width * (i + 0.5) / len(clips)
        draw.ellipse([x - 3, y(value) - 3, x + 3, y(value) + 3], DOT)
    return np.array(image)


def write_plots(folder, report):
    """Writes <folder>/plots/<metric>.png of all that was measured on clips; names of the files."""
    (folder / "plots").mkdir(exist_ok=True)
    names = []
    for key, metric in report["metrics"].items():
        clips = [values[key] for values in report["clips"].values() if key in values]
        if clips and metric["rows"]:
            names.append(f"plots/{key}.png")
            write_png(folder / names[-1], plot(metric, clips))
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
