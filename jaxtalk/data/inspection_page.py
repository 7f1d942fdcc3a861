"""The page of `jaxtalk.data.inspect`: one HTML file that needs nothing else."""

import collections
import math
import pathlib
import string

import numpy as np

from jaxtalk.data.film_strip import PICTURE_S, shown_text
from jaxtalk.data.source import REPORT
from jaxtalk.data.survey import MEASURES, REPORT_MEASURES, Measure
from jaxtalk.media.files import replacing

_TEMPLATE = pathlib.Path(__file__).with_name("inspection_page.html")
_CHART_PX = (320, 150)
_MARGIN = (8, 8, 8, 20)  # left, top, right, bottom
_MAX_STYLES = 60
_MIN_BARS = 9


def write_page(path, name, info, surveys, histograms, report):
    """Writes the page; it appears complete.

    Args:
      path: of the file.
      name: of the corpus.
      info: `tfds.core.DatasetInfo`.
      surveys: pairs (`SplitSurvey`, list of film strips).
      histograms: dict from a name of `MEASURES` to a `Histogram`.
      report: `Report` or None.
    """
    splits = [split for split, _ in surveys]
    body = [
        f"<h1>{shown_text(name)}</h1>",
        f'<p class="soft">version {info.version}. {shown_text(info.description or "")}</p>',
        *_summary(splits),
        *_faults(splits),
        *_rejects(report),
        "<h2>Measures of the clips</h2>",
        '<p class="soft">Of the clips that were looked at, as they are in the corpus.</p>',
        _charts(histograms, MEASURES),
        *_report_measures(report),
        *_styles(splits),
        *_strips(surveys),
        *_made_by(info.metadata),
    ]
    text = string.Template(_TEMPLATE.read_text())
    page = text.substitute(title=shown_text(name), body="\n".join(body))
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(page)


def _table(head, rows):
    """Cells are HTML; those after the first are numbers if the head's name starts with "#"."""
    kinds = [' class="number"' if name.startswith("#") else "" for name in head]
    lines = [f"<th{k}>{name.lstrip('#')}</th>" for k, name in zip(kinds, head)]
    parts = [f"<tr>{''.join(lines)}</tr>"]
    for row in rows:
        cells = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row))
        parts.append(f"<tr>{cells}</tr>")
    return f'<div class="scroll"><table>{"".join(parts)}</table></div>'


def _summary(splits):
    rows = [_row(s.name, s) for s in splits]
    if len(splits) > 1:
        rows.append(_total(splits))
    yield "<h2>Summary</h2>"
    head = ("split", "#clips", "#looked at", "#length", "#frames", "#speakers", "#styles", "px")
    yield _table(head, rows)
    shared = sum(
        count > 1
        for count in collections.Counter(speaker for s in splits for speaker in s.speakers).values()
    )
    if shared:
        yield f'<p class="bad">{shared} speakers are in more than one split.</p>'
    elif len(splits) > 1:
        yield '<p class="soft">No speaker is in two splits.</p>'


def _row(name, s):
    sizes = ", ".join(f"{w}×{h}" for (w, h), _ in s.sizes.most_common(3))
    return (
        shown_text(name),
        f"{s.num_clips:,}",
        f"{s.num_read:,}",
        _length(s.seconds),
        f"{s.num_frames:,}",
        f"{len(s.speakers):,}",
        f"{len(s.styles.keys() - {b''}):,}",
        sizes + (" ..." if len(s.sizes) > 3 else ""),
    )


def _total(splits):
    speakers = len(set().union(*(s.speakers for s in splits)))
    styles = len(set().union(*(s.styles for s in splits)) - {b""})
    return (
        "all",
        *(f"{sum(values):,}" for values in zip(*((s.num_clips, s.num_read) for s in splits))),
        _length(sum(s.seconds for s in splits)),
        f"{sum(s.num_frames for s in splits):,}",
        f"{speakers:,}",
        f"{styles:,}",
        "",
    )


def _length(seconds):
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:,.1f} {unit}"
    return f"{seconds:.1f} s"


def _faults(splits):
    count = sum(s.num_faults for s in splits)
    if not count:
        return
    yield "<h2>Clips that cannot be read</h2>"
    told = [(f"{s.name} {index}", fault) for s in splits for index, fault in s.faults]
    if count > len(told):
        yield f'<p class="bad">{count:,} in all; the first ones of each split:</p>'
    yield _table(("clip", "what is wrong"), [tuple(map(shown_text, row)) for row in told])


def _rejects(report):
    yield "<h2>Left out by the build</h2>"
    if report is None:
        yield (
            f"<p>This corpus has no {REPORT}: what was left out is "
            "not known. (A corpus that is drawn has none.)</p>"
        )
        return
    left_out = report.reasons.total()
    yield f"<p>{report.num_kept:,} clips were kept, {left_out:,} clips or videos left out.</p>"
    if left_out:
        rows = [
            (shown_text(reason), f"{count:,}", f"{count / left_out:.1%}", *_example(report, reason))
            for reason, count in report.reasons.most_common()
        ]
        yield _table(("reason", "#count", "#share", "the first", "detail"), rows)
    if report.num_damaged:
        yield f'<p class="bad">{report.num_damaged:,} lines of {REPORT} are damaged.</p>'


def _example(report, reason):
    return map(shown_text, report.examples[reason])


def _report_measures(report):
    if report and report.histograms:
        yield "<h2>Measures of the build</h2>"
        yield (
            f'<p class="soft">As {REPORT} has them: <span class="key"></span>kept '
            '<span class="key second"></span>left out</p>'
        )
        yield _charts(report.histograms, REPORT_MEASURES)


def _styles(splits):
    styles = sum((s.styles for s in splits), collections.Counter())
    if len(styles) > 1:
        yield "<h2>Styles</h2>"
        shown = styles.most_common(_MAX_STYLES)
        yield _columns((style or "none", f"{count:,}") for style, count in shown)
        if len(styles) > _MAX_STYLES:
            yield f'<p class="soft">and {len(styles) - _MAX_STYLES:,} more</p>'


def _made_by(metadata):
    if metadata:
        yield "<h2>How it was made</h2>"
        yield _columns(sorted(metadata.items()))


def _columns(pairs):
    items = (f"<li>{shown_text(name)} <b>{shown_text(value)}</b></li>" for name, value in pairs)
    return f'<ul class="columns">{"".join(items)}</ul>'


def _strips(surveys):
    yield "<h2>Clips</h2>"
    yield (
        f'<p class="soft">A picture for every {PICTURE_S:g} s, the frame in its middle; '
        "sound, phonemes and head pose below are on the same scale, in s. "
        '<span class="key"></span>yaw <span class="key second"></span>pitch '
        '<span class="key third"></span>roll</p>'
        '<input type="checkbox" id="marks" checked> '
        '<label for="marks">landmarks and mouth box</label>'
    )
    for split, strips in surveys:
        yield f"<section><h3>{shown_text(split.name)}</h3>"
        yield from strips
        yield "</section>"


def _charts(histograms, measures):
    figures = [
        _chart(measures.get(name, Measure(name)), histogram)
        for name, histogram in histograms.items()
    ]
    return f'<div class="charts">{"".join(figures)}</div>'


def _number(value):
    return f"{round(value, 4) + 0.0:.3g}"  # without -0


def _padded(edges, counts):
    """With empty bins on both sides, where there are few."""
    more = max(0, _MIN_BARS - len(counts) + 1) // 2
    width = edges[1] - edges[0]
    edges = edges[0] + width * np.arange(-more, len(counts) + more + 1)
    return edges, np.pad(counts, ((more, more), (0, 0)))


def _ticks(edges, whole):
    """Values to write below the axis: of whole numbers, the middles of bars."""
    if not whole:
        return edges[0], (edges[0] + edges[-1]) / 2, edges[-1]
    first, last = math.ceil(edges[0]), math.floor(edges[-1])
    return first, (first + last) // 2, last


def _chart(measure, histogram):
    """Bars over the bins; groups are stacked."""
    title, whole = measure.title, measure.whole
    caption = f"<figcaption><b>{shown_text(title)}</b><br>"
    odd = f", {histogram.odd:,} not measured" if histogram.odd else ""
    total = sum(histogram.counts)
    if not total:
        return f"<figure>{caption}none measured{odd}</figcaption></figure>"
    low, mean, high = map(_number, (histogram.low, histogram.mean, histogram.high))
    caption += f"{low} to {high}, mean {mean}, of {total:,}{odd}</figcaption>"
    left, top, right, bottom = _MARGIN
    width, height = _CHART_PX[0] - left - right, _CHART_PX[1] - top - bottom
    edges, counts = _padded(*histogram.bins())
    step, most = width / len(counts), counts.sum(1).max()
    parts = []
    for place, groups in enumerate(counts):
        x, y = left + place * step, top + height
        told = ", ".join(map(str, groups)) if len(groups) > 1 else str(groups[0])
        parts.append(f"<g><title>{edges[place]:g} to {edges[place + 1]:g}: {told}</title>")
        for group, count in enumerate(groups):
            bar = height * count / most
            y -= bar
            parts.append(
                f'<rect class="group{group}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{max(0.5, step - 1):.1f}" height="{bar:.1f}"/>'
            )
        parts.append("</g>")
    base = top + height
    parts.append(f'<path class="rule" d="M{left} {base}h{width}"/>')
    for value, side in zip(_ticks(edges, whole), ("", "middle", "end")):
        x = left + width * (value - edges[0]) / (edges[-1] - edges[0])
        side = "middle" if whole else side
        parts.append(f'<text class="{side}" x="{x:.1f}" y="{base + 15}">{_number(value)}</text>')
    return (
        f'<figure>{caption}<svg viewBox="0 0 {_CHART_PX[0]} {_CHART_PX[1]}" role="img">'
        f"{''.join(parts)}</svg></figure>"
    )
