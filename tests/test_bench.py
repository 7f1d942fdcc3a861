"""The command, with networks of a few channels."""

import json

import pytest

from jaxtalk import bench
from jaxtalk.benchmarks import report
from jaxtalk.core.errors import UserError
from tests import tiny_talker


@pytest.fixture
def tiny(monkeypatch):
    """The demo's networks shrunk, and small matrices."""
    presets, config = [], tiny_talker.recipe()
    config.styletalker.model.lpips_width = 2

    def get_config(preset):
        presets.append(preset)
        return config

    monkeypatch.setattr(bench.styletalker, "get_config", get_config)
    ceiling = bench.measure.matmul_ceiling
    monkeypatch.setattr(
        bench.measure, "matmul_ceiling", lambda dtype, repeats: ceiling(dtype, repeats=1, size=64)
    )
    monkeypatch.setattr(bench.measure, "convolution_ceiling", lambda dtype, repeats: 50.0)
    return presets


def test_table_and_json(tiny, tmp_path, capsys):
    file = tmp_path / "rows.json"
    flags = "--part lpips --part lpips --batch 2 --repeats 2 --dtype bfloat16 --preset paper"
    bench.main([*flags.split(), f"--json={file}"])
    assert tiny == ["paper"]
    assert list(tmp_path.iterdir()) == [file]
    written = json.loads(file.read_text())
    (row,) = written["rows"]
    assert row["gflop"] == pytest.approx(row["gflop_per_s"] * row["ms"] / 1e3)
    assert row["share_of_ceiling"] == pytest.approx(row["gflop_per_s"] / row["ceiling_gflop_per_s"])
    assert 0 < row["fastest_ms"] <= row["ms"]
    names = {"part": "lpips", "preset": "paper", "dtype": "bfloat16", "batch": 2}
    assert {k: row[k] for k in names} == names
    assert " x " in written["device"]
    ceiling, heading, line = capsys.readouterr().out.splitlines()
    assert ceiling.startswith("on ") and "bfloat16" in ceiling
    assert float(line.split()[5]) == pytest.approx(2e3 / row["ms"], rel=0.01, abs=0.06)
    assert heading.split() == "part preset dtype batch ms per s GFLOP GFLOP/s of ceiling".split()
    assert line.split()[:4] == ["lpips", "paper", "bfloat16", "2"]
    assert float(line.split()[4]) == pytest.approx(row["ms"], abs=0.006)
    assert float(line.split()[8].removesuffix("%")) == pytest.approx(
        100 * row["share_of_ceiling"], abs=0.06
    )


def test_without_flags_every_part_and_the_generator_of_the_paper(monkeypatch, capsys):
    cases, ceilings = [], iter(range(10, 100))

    def measure(case, *, repeats):
        cases.append((case, repeats))
        return [1000.0 * len(cases)], 64e9

    decoded = []

    def decoding_rows(config, preset, *, repeats):
        decoded.append((config.model.image_size, preset, repeats))
        return []

    monkeypatch.setattr(bench.measure, "measure", measure)
    monkeypatch.setattr(bench.measure, "matmul_ceiling", lambda dtype, repeats: next(ceilings))
    monkeypatch.setattr(bench.measure, "convolution_ceiling", lambda dtype, repeats: 16.0)
    monkeypatch.setattr(
        bench, "PARTS", {k: lambda c, n, k=k: (k, c.model.image_size, n) for k in bench.PARTS}
    )
    monkeypatch.setattr(bench.decoding, "decoding_rows", decoding_rows)
    bench.main([])
    assert decoded == [(64, "demo", 5), (256, "paper", 5)]
    expected = [((part, 64, 1), 5) for part in bench.PARTS] + [(("generator", 256, 1), 5)]
    assert cases == expected
    *rows, floor, share, floor_256, reference = capsys.readouterr().out.splitlines()[2:]
    # The faster products of those before and after each part.
    shares = [f"{64 / (1 + i) / (11 + i):.1%}" for i in range(8)]
    assert [row.split()[-1] for row in rows] == shares
    assert floor == (
        "generator (demo): 0.25 times the floor of 4,000 ms, its operations at the speed of a "
        "3 x 3 convolution (16.0 GFLOP/s)"
    )
    assert share == "filtered_lrelu: 200% of the generator's time (demo)"
    assert floor_256.startswith("generator (paper): 2.00 times the floor of 4,000 ms")
    assert reference == (
        "StyleGAN3-T, 256 px, batch 1, float32: 8 s; the PyTorch reference took 22.3 s on two "
        "cores of a 2.5 GHz Xeon, 2.79 times as long; this is another machine"
    )


def test_decoding_beside_the_step_that_takes_the_frames(tiny, monkeypatch, tmp_path, capsys):
    """Of small pictures, really written, read and timed."""
    monkeypatch.setattr(bench.decoding, "_MIN_S", 0.01)
    file = tmp_path / "rows.json"
    flags = f"--part decoding --preset demo --repeats 3 --steps_per_s 2.5 --json={file}"
    bench.main(flags.split())
    written = json.loads(file.read_text())
    assert [row["part"] for row in written["rows"]] == [
        *("jpeg window", "jpeg clip", "jpeg loader"),
        *("mp4 window", "mp4 clip", "mp4 loader"),
    ]
    for row in written["rows"]:
        assert (row["preset"], row["px"], row["dtype"]) == ("demo", 32, "uint8")
        assert row["per_s"] == pytest.approx(1e3 * row["batch"] / row["ms"])
        assert 0 < row["fastest_ms"] <= row["ms"] and row["per_core_s"] > 0
    # Windows of 5 frames, clips of 48 and a second more, batches of 4 windows.
    assert [row["frames"] for row in written["rows"]] == [5, 73, 20] * 2
    *_, rates, needs = lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 6 + 2
    assert written["notes"] == [rates, needs]
    assert needs.startswith("training (demo) at 2.5 steps/s of 4 takes 50 frames/s: ")
    window = next(line for line in lines if line.startswith("jpeg window"))
    assert window.split()[5] == f"{written['rows'][0]['ms']:.2f}"
    assert window.split()[7:] == ["-", "-", "-"]


def generator_row(**values):
    names = {"part": "generator", "preset": "paper", "dtype": "float32", "batch": 1, "ms": 1.0}
    return {**names, **values}


@pytest.mark.parametrize("other", [{"batch": 2}, {"dtype": "bfloat16"}, {"preset": "demo"}])
def test_only_like_is_compared_with_the_reference(other):
    assert len(report.notes([generator_row()])) == 1
    assert not report.notes([generator_row(**other)])


def test_share_needs_a_generator_of_the_same_preset():
    lrelu = generator_row(part="filtered_lrelu", preset="demo", ms=0.5)
    assert not report.notes([lrelu])
    assert len(report.notes([lrelu, generator_row()])) == 1  # with the reference only
    (share,) = report.notes([lrelu, generator_row(preset="demo")])
    assert "50%" in share


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--part=nose"], "--part: found 'nose', expected one of " + ", ".join(bench.PARTS)),
        (["--steps_per_s=0"], "--steps_per_s: found '0', expected a number above 0"),
        (["--steps_per_s=x"], "--steps_per_s: found 'x', expected a number above 0"),
        (["--preset=big"], "--preset: found 'big', expected one of demo, paper"),
        (["--dtype=int8"], "--dtype: found 'int8', expected one of float32, bfloat16"),
        (["--batch=0"], "--batch: found '0', expected a whole number of 1 or more"),
        (["--repeats=x"], "--repeats: found 'x', expected a whole number"),
        (["--json={tmp}/none/rows.json"], "--json: found {tmp}/none/rows.json, expected a file"),
        (["--json={tmp}"], "--json: found {tmp}, expected a file"),
        (["--nose"], "unrecognized arguments: --nose"),
    ],
)
def test_faults_are_told_in_one_line(flags, words, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        bench.main([flag.format(tmp=tmp_path) for flag in flags])
    line = stopped.value.code  # a text: printed, and the status is 1
    assert line.startswith("error: ")
    assert "\n" not in line
    assert words.format(tmp=tmp_path) in line
    with pytest.raises(UserError):
        bench.main(["--debug", *(flag.format(tmp=tmp_path) for flag in flags)])
