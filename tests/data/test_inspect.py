"""The page to look at a corpus with."""

import base64
import collections
import html.parser
import json
import re
import shutil

import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxtalk.data import inspect
from jaxtalk.data.film_strip import film_strip, shown_text
from jaxtalk.data.source import open_corpus
from jaxtalk.media.image import decode_jpeg
from tests import tiny_corpus

VOID = {"meta", "input", "br"}
HOSTILE = '</b><script>alert("1")</script> & $body'


class Page(html.parser.HTMLParser):
    """What a page holds; tags that are not closed in order are a fault."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.charts, self.rows, self.titles = {}, [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.open[-2:] == ["figcaption", "b"]:
            self.charts[data] = self.bars = []
        if self.open[-2:] == ["g", "title"]:
            low, high, counts = re.fullmatch(r"(\S+) to (\S+): (.*)", data).groups()
            self.bars.append((float(low), float(high), [int(c) for c in counts.split(", ")]))

    def find(self, tag, **wanted):
        return [a for t, a in self.tags if t == tag and wanted.items() <= a.items()]


def write(dataset, tmp_path, *arguments):
    """(text of the page, `Page`)."""
    out = tmp_path / "page.html"
    words = ["--dataset", dataset.name, "--data_dir", dataset.data_dir, "--out", str(out)]
    inspect.main([*words, *arguments])
    text = out.read_text()
    return text, Page(text)


def fault(*arguments):
    with pytest.raises(SystemExit) as stopped:
        inspect.main(list(arguments))
    assert "\n" not in stopped.value.code
    return stopped.value.code


class OddHeads(tiny_corpus.TinyHeads):
    """Of the training clips, 1 is damaged, 2 has no landmarks, 3 has a hostile speaker."""

    def _generate_examples(self, split, num_clips):
        for number, clip in super()._generate_examples(split, num_clips):
            if split == "train":
                if number == 1:
                    clip["video"] = [blob[:100] for blob in clip["video"]]
                if number == 2:
                    clip["landmarks"] = np.full_like(clip["landmarks"], np.nan)
                if number == 3:
                    clip["speaker"] = clip["style"] = clip["source_id"] = HOSTILE
            yield number, clip


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    config = tiny_corpus.TinyConfig(name="default")
    OddHeads(data_dir=folder, config=config, file_format="array_record").download_and_prepare()
    return ConfigDict({"name": "odd_heads/default", "data_dir": str(folder)})


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return ConfigDict(tiny_corpus.build_tiny_corpus(tmp_path_factory.mktemp("mp4"), mp4=True))


@pytest.mark.parametrize("kind", ["dataset", "mp4"])
def test_strips(kind, request, tmp_path):
    dataset = request.getfixturevalue(kind)
    text, page = write(dataset, tmp_path, "--strips", "2")
    assert len(page.find("svg", **{"class": "strip"})) == 4
    links = [a[k] for _, a in page.tags for k in ("href", "src", "xlink:href") if k in a]
    assert links and all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    shown = iter(links)
    for split in ("train", "test"):
        corpus = open_corpus(dataset, split)
        for index in (0, len(corpus) - 1):
            number = int(corpus[index]["source_id"].split(b"_")[1])
            count = 40 + 4 * (number % 3)
            for column in range(-(-count // 10)):
                picture = decode_jpeg(base64.b64decode(next(shown).partition(",")[2]))
                assert tiny_corpus.clip_of(picture) == number
                assert tiny_corpus.frame_of(picture) == min(10 * column + 5, count - 1)
    assert next(shown, None) is None


def test_summary(dataset, tmp_path, capsys):
    _, page = write(dataset, tmp_path)
    assert "9 clips looked at" in capsys.readouterr().out
    frames = {s: [40 + 4 * (i % 3) for i in range(n)] for s, n in (("train", 6), ("test", 3))}
    rows = {row[0]: row[1:] for row in page.rows}
    for split, lengths in frames.items():
        count = str(len(lengths))
        length = f"{sum(lengths) / 25:.1f} s"
        assert rows[split] == [count, count, length, str(sum(lengths)), "3", "1", "32×32"]
    assert rows["all"] == ["9", "9", f"{396 / 25:.1f} s", "396", "6", "1", ""]
    assert len(page.find("svg", **{"class": "strip"})) == 9


def test_a_part_of_a_split(dataset, tmp_path):
    _, page = write(dataset, tmp_path, "--split", "train", "--limit", "4", "--strips", "0")
    assert [row[:3] for row in page.rows if row[0] == "train"] == [["train", "6", "4"]]
    assert not any(row[0] in ("test", "all") for row in page.rows)
    assert not page.find("svg", **{"class": "strip"})


def test_histograms_count_as_numpy_does(dataset, tmp_path):
    _, page = write(dataset, tmp_path)
    clips = [clip for split in ("train", "test") for clip in open_corpus(dataset, split)]
    angles = np.degrees(np.concatenate([clip["pose"] for clip in clips])[:, :3]).T
    boxes = [np.ptp(clip["landmarks"], axis=1).max(1) for clip in clips]
    expected = {
        "duration, s": [len(clip["video"]) / 25 for clip in clips],
        "face, px: longer side of the landmarks' box": [np.median(box) for box in boxes],
        "offset of sound and picture, frames": [0] * 9,
        **{
            f"{name} of each frame, degrees": a for name, a in zip(("yaw", "pitch", "roll"), angles)
        },
    }
    for title, values in expected.items():
        bars = page.charts[title]
        edges = [low for low, _, _ in bars] + [bars[-1][1]]
        counts = [count for _, _, (count,) in bars]
        assert counts == np.histogram(values, edges)[0].tolist(), title
        assert sum(counts) == len(values)
    bars = page.charts["loudness, dB of full scale"]
    loudness = [10 * np.log10(np.mean((clip["audio"] / 32768.0) ** 2)) for clip in clips]
    assert bars[0][0] <= min(loudness) and max(loudness) < bars[-1][1]


def test_bad_clips_are_told_and_passed_over(odd, tmp_path, capsys):
    text, page = write(odd, tmp_path)
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["train"][:2] == ["6", "5"] and rows["test"][:2] == ["3", "3"]
    (bad,) = [row for row in page.rows if row[0].startswith("train ")]
    assert "Error" in bad[1]
    assert f"{bad[0]}: passed over: {bad[1]}" in capsys.readouterr().err
    assert len(page.find("svg", **{"class": "strip"})) == 5 + 3
    assert "1 not measured" in text and "no landmarks" in text
    assert sum(count for _, _, (count,) in page.charts["duration, s"]) == 8


def test_text_of_the_corpus_is_escaped(odd, tmp_path):
    text, page = write(odd, tmp_path)
    assert text.count("</b><script>") == 0 and not page.find("script")
    escaped = "&lt;/b&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; $body"
    assert text.count(escaped) == 3 + 1  # name, speaker and style of the clip; list of styles
    assert shown_text(b"\xff" * 1000) == "\ufffd" * 197 + "..."


def test_nothing_that_can_be_read(tmp_path):
    class AllBad(OddHeads):
        def _generate_examples(self, split, num_clips):
            for number, clip in super()._generate_examples(split, num_clips):
                yield number, {**clip, "video": [b"no picture"]}

    config = tiny_corpus.TinyConfig(name="default")
    AllBad(data_dir=tmp_path, config=config, file_format="array_record").download_and_prepare()
    words = ("--dataset", "all_bad/default", "--data_dir", str(tmp_path))
    out = tmp_path / "page.html"
    assert "found no clip in all_bad/default that can be read (Unid" in fault(
        *words, "--out", str(out)
    )
    assert not out.exists()


def test_rejects_of_the_report(odd, tmp_path):
    folder = tmp_path / "data"
    write_report = folder / odd.name / "build_report.jsonl"
    shutil.copytree(odd.data_dir, folder)
    rng = np.random.default_rng(0)
    lines = [
        {"source": f"s{i}", "kept": reason is None, "reason": reason, "face_px": float(px)}
        for i, (reason, px) in enumerate(
            zip(rng.choice([None, "blurred", HOSTILE], 50).tolist(), rng.uniform(20, 300, 50))
        )
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_report.write_text(text + "{damaged\n[]\n")
    _, page = write(ConfigDict({**odd, "data_dir": str(folder)}), tmp_path)
    counts = collections.Counter(line["reason"] for line in lines)
    kept = counts.pop(None)
    rows = {row[0]: row for row in page.rows}
    for reason, count in counts.items():
        first = next(line["source"] for line in lines if line["reason"] == reason)
        share = f"{count / counts.total():.1%}"
        assert rows[reason][1:4] == [str(count), share, first]
    bars = page.charts["face in the source video, px"]
    edges = [low for low, _, _ in bars] + [bars[-1][1]]
    for group, wanted in enumerate((True, False)):
        values = [line["face_px"] for line in lines if line["kept"] == wanted]
        counted = [bar[2][group] for bar in bars]
        assert counted == np.histogram(values, edges)[0].tolist()
    page_text = (tmp_path / "page.html").read_text()
    assert f"{kept} clips were kept, {50 - kept} clips or videos left out" in page_text
    assert "2 lines of build_report.jsonl are damaged" in page_text


def test_a_corpus_without_a_report_says_so(dataset, tmp_path):
    text, _ = write(dataset, tmp_path)
    assert "This corpus has no build_report.jsonl" in text


def test_sound_phonemes_and_marks_are_aligned(dataset):
    clip = dict(open_corpus(dataset, "train")[0])
    clip["audio"] = np.zeros_like(clip["audio"])
    clip["audio"][16_000:17_600] = np.tile([20_000, -20_000], 800)  # 1.0 s to 1.1 s
    clip["phonemes"] = np.full(len(clip["video"]), 31)
    clip["phonemes"][25:] = 0
    strip = film_strip(clip)
    page = Page(strip)
    (sound,) = page.find("path", **{"class": "sound"})
    bars = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", sound["d"])
    loud = [float(x) for x, top, bottom in bars if float(bottom) - float(top) > 5]
    assert 400 < min(loud) < 402 and 438 < max(loud) < 440  # 400 px a second
    runs = page.find("rect", **{"class": "phoneme"})
    assert [float(run["x"]) for run in runs] == [0, 400]
    dots = page.find("path", **{"class": "dots"})
    found = np.float64(re.findall(r"M(\S+) (\S+)h0", dots[1]["d"]))
    np.testing.assert_allclose(found, clip["landmarks"][15], atol=0.051)
    boxes = page.find("rect", **{"class": "mouth"})
    box = [boxes[0][name] for name in ("x", "y", "width", "height")]
    np.testing.assert_allclose(np.float64(box), [9.6, 19.2, 12.8, 9.6], atol=0.051)
    clip["phonemes"][:] = 24  # not recognised
    assert not Page(film_strip(clip)).find("rect", **{"class": "phoneme"})


def test_faults(dataset, tmp_path):
    words = ["--dataset", dataset.name, "--data_dir", dataset.data_dir]
    missing = fault("--dataset", "voxceleb2/default", "--data_dir", str(tmp_path))
    assert f"found no corpus voxceleb2/default in {tmp_path}; build it with" in missing
    assert "found 'valid', expected one of" in fault(*words, "--split", "valid")
    assert "--limit: found 0, expected at least 1" in fault(*words, "--limit", "0")
    out = tmp_path / "nowhere/page.html"
    assert f"{out}: cannot write there" in fault(*words, "--out", str(out))
