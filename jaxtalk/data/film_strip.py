"""A clip as a film strip with its sound, phonemes and head pose below it: one SVG, aligned in time.

The horizontal scale is the same for all clips: a picture for every 0.4 s. Each picture is the frame
in the middle of its time.
"""

import base64
import html
import itertools
import math

import numpy as np
from PIL import Image

from jaxtalk.media.image import encode_jpeg
from jaxtalk.media.phonemes import PHONEME_INDEX, PHONEMES
from jaxtalk.media.video import decode_frames, num_frames

PICTURE_PX, PICTURE_S = 160, 0.4
MAX_SHOWN_S = 12.0
ANGLES = ("yaw", "pitch", "roll")
_PX_PER_S = PICTURE_PX / PICTURE_S
_SOUND_PX, _PHONEMES_PX, _POSE_PX, _AXIS_PX, _GAP_PX = 56, 18, 56, 18, 6
_BAR_PX = 2  # of the waveform
_MIN_DEGREES = 15  # at the edges of the pose's scale
_JPEG_QUALITY = 80
_MAX_TEXT = 200  # characters


def shown_text(value):
    """Text of a corpus (bytes or str), shortened and escaped for HTML."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return html.escape(text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}...")


def film_strip(clip):
    """The strip of a clip and a line about it, a `<figure>` of HTML."""
    count, fps = num_frames(clip["video"]), float(clip["fps"])
    duration_s = count / fps
    shown_s = min(duration_s, MAX_SHOWN_S)
    rows = [
        (PICTURE_PX, _pictures(clip, count, fps, shown_s)),
        (_SOUND_PX, _sound(clip, shown_s)),
        (_PHONEMES_PX, _phonemes(clip, fps, shown_s)),
        (_POSE_PX, _pose(clip, fps, shown_s)),
        (_AXIS_PX, _axis(shown_s)),
    ]
    parts, top = [], 0
    for height, row in rows:
        if row:
            parts.append(f'<g transform="translate(0 {top})">{row}</g>')
            top += height + _GAP_PX
    width = max(1, round(shown_s * _PX_PER_S))
    return (
        f"<figure><figcaption>{_caption(clip, count, fps, shown_s)}</figcaption>"
        f'<div class="scroll"><svg class="strip" width="{width}" height="{top}" '
        f'viewBox="0 0 {width} {top}">{"".join(parts)}</svg></div></figure>'
    )


def _caption(clip, count, fps, shown_s):
    name = shown_text(clip.get("source_id", b"") or b"no name")
    words = [f"speaker {shown_text(clip.get('speaker', b''))}"]
    if clip.get("style"):
        words.append(f"style {shown_text(clip['style'])}")
    words.append(f"{count / fps:.2f} s, {count} frames at {fps:g} fps")
    if clip.get("start_s"):
        words.append(f"from {float(clip['start_s']):.2f} s of its source")
    if "av_offset_frames" in clip:
        words.append(f"offset {int(clip['av_offset_frames'])} frames")
    if not _finite(clip, "landmarks"):
        words.append("no landmarks")
    if count / fps > shown_s:
        words.append(f"the first {shown_s:g} s are shown")
    said = f"<q>{shown_text(clip['text'])}</q>" if clip.get("text") else ""
    return f"<b>{name}</b> {', '.join(words)} {said}"


def _finite(clip, key):
    return key in clip and np.isfinite(clip[key]).any()


def _pictures(clip, count, fps, shown_s):
    columns = math.ceil(shown_s / PICTURE_S - 1e-6)
    middles = (np.arange(columns) + 0.5) * PICTURE_S * fps
    indices = np.minimum(middles.astype(int), count - 1).tolist()
    cells = []
    for column, (index, frame) in enumerate(zip(indices, decode_frames(clip["video"], indices))):
        height, width = frame.shape[:2]
        scale = min(1, PICTURE_PX / max(height, width))
        small = Image.fromarray(frame)
        if scale < 1:
            small = small.resize((round(width * scale), round(height * scale)), Image.LANCZOS)
        data = base64.b64encode(encode_jpeg(np.asarray(small), _JPEG_QUALITY)).decode()
        cells.append(
            f'<svg x="{column * PICTURE_PX}" width="{PICTURE_PX}" height="{PICTURE_PX}" '
            f'viewBox="0 0 {width} {height}"><title>frame {index}</title>'
            f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/>'
            f"{_marks(clip, index)}</svg>"
        )
    return "".join(cells)


def _marks(clip, index):
    """Landmarks as dots and the mouth's box, in px of the picture."""
    marks = ""
    if _finite(clip, "landmarks") and np.isfinite(clip["landmarks"][index]).all():
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in clip["landmarks"][index])
        marks += f'<path class="dots" d="{dots}"/>'
    if _finite(clip, "mouth_box") and np.isfinite(clip["mouth_box"][index]).all():
        x0, y0, x1, y1 = clip["mouth_box"][index]
        marks += (
            f'<rect class="mouth" x="{x0:.1f}" y="{y0:.1f}" width="{max(0, x1 - x0):.1f}" '
            f'height="{max(0, y1 - y0):.1f}"/>'
        )
    return f'<g class="marks">{marks}</g>' if marks else ""


def _sound(clip, shown_s):
    """From the lowest to the highest sample of every two pixels; the row's height is full scale."""
    rate = int(clip["sample_rate_hz"])
    block = max(1, round(rate * _BAR_PX / _PX_PER_S))
    sound = clip["audio"][: round(rate * shown_s)].astype(np.float64) / 32768
    blocks = sound[: len(sound) // block * block].reshape(-1, block)
    middle, px = _SOUND_PX / 2, _PX_PER_S * block / rate
    bars = "".join(
        f"M{(place + 0.5) * px:.1f} {middle * (1 - high):.1f}V{middle * (1 - low) + 0.5:.1f}"
        for place, (low, high) in enumerate(zip(blocks.min(1), blocks.max(1)))
    )
    return f'<path class="sound" d="{bars}"/>{_label("sound", 11)}'


def _phonemes(clip, fps, shown_s):
    """Names of the phonemes over their time; nothing where none was recognised."""
    classes = np.asarray(clip.get("phonemes", ()))[: math.ceil(shown_s * fps)]
    if not len(classes) or (classes == PHONEME_INDEX["NSN"]).all():
        return ""
    cells, start = [], 0
    for index, run in itertools.groupby(classes.tolist()):
        length = len(list(run))
        name = PHONEMES[index] if 0 <= index < len(PHONEMES) else "?"
        x, width = start / fps * _PX_PER_S, length / fps * _PX_PER_S
        cells.append(
            f'<rect class="phoneme" x="{x:.1f}" width="{width:.1f}" height="{_PHONEMES_PX}"/>'
            f'<text class="middle" x="{x + width / 2:.1f}" y="13">{name}</text>'
        )
        start += length
    return "".join(cells)


def _pose(clip, fps, shown_s):
    """Curves of yaw, pitch and roll."""
    if not _finite(clip, "pose"):
        return ""
    angles = np.degrees(clip["pose"][: math.ceil(shown_s * fps), :3])
    most = max(_MIN_DEGREES, math.ceil(np.nanmax(np.abs(angles), initial=0)))
    half = _POSE_PX / 2
    x = (np.arange(len(angles)) + 0.5) / fps * _PX_PER_S
    curves = [f'<path class="rule" d="M0 {half}H{shown_s * _PX_PER_S:.0f}"/>']
    for name, values in zip(ANGLES, angles.T):
        points = " ".join(
            f"{a:.1f},{half * (1 - v / most):.1f}" for a, v in zip(x, values) if np.isfinite(v)
        )
        curves.append(f'<polyline class="{name}" points="{points}"/>')
    return "".join(curves) + _label(f"pose, ±{most}°", 11)


def _axis(shown_s):
    ticks = []
    for number in range(math.floor(shown_s / PICTURE_S + 1e-6) + 1):
        x = number * PICTURE_PX
        side = "middle" if number else ""
        if x > shown_s * _PX_PER_S - _AXIS_PX / 2:
            side = "end"
        ticks.append(
            f'<path class="rule" d="M{x} 0v4"/>'
            f'<text class="{side}" x="{x}" y="15">{number * PICTURE_S:.1f}</text>'
        )
    return "".join(ticks)


def _label(text, y):
    return f'<text class="label" x="3" y="{y}">{text}</text>'
