"""Times the parts of StyleTalker beside matrix products of the same machine.

  python -m jaxtalk.bench
  python -m jaxtalk.bench --preset paper --dtype bfloat16 --batch 8 --json bench.json
  python -m jaxtalk.bench --part generator --part filtered_lrelu
  python -m jaxtalk.bench --part decoding --steps_per_s 2.5

ms is the median of several runs after compilation, GFLOP is XLA's count, the ceiling is the fastest
product of two large matrices just before and after the part. Weights and inputs are random. A batch
is of images (for the encoder, LPIPS and the generator), of windows of five frames (syncnet), of
clips (prior: a block of frames of each; train_step). Without --preset, the demo's sizes, and the
generator and decoding in the paper's, too. Decoding is of frames, and its loader of examples.
"""

import functools

from configs import styletalker
from jaxtalk.benchmarks import command_line, decoding, measure, report
from jaxtalk.benchmarks.parts import PARTS
from jaxtalk.core.command_line import run
from jaxtalk.training.mesh import use_compilation_cache


def bench(args):
    """Prints the table, row by row."""
    if args.json:
        report.check_json(args.json)
    parts = list(dict.fromkeys(args.part or command_line.CHOICES))
    plan = [(part, args.preset or "demo") for part in parts]
    if not args.preset:
        plan += [(part, "paper") for part in ("generator", decoding.PART) if part in parts]
    print(f"on {measure.device_name()}; share of matrix products in {args.dtype}")
    print(report.heading(), flush=True)
    rows, ceiling, configs = [], None, {}
    for part, preset in plan:
        configs[preset] = config = styletalker.get_config(preset).styletalker
        config.model.dtype = args.dtype
        if part == decoding.PART:
            for row in decoding.decoding_rows(config, preset, repeats=args.repeats):
                rows.append(row)
                print(report.line(row), flush=True)
            continue
        before = ceiling or measure.matmul_ceiling(args.dtype, repeats=args.repeats)
        case = PARTS[part](config, args.batch)
        names = {"part": part, "preset": preset, "dtype": args.dtype, "batch": args.batch}
        runs_ms, flop = measure.measure(case, repeats=args.repeats)
        ceiling = measure.matmul_ceiling(args.dtype, repeats=args.repeats)
        rows.append(names | measure.row(runs_ms, flop, args.batch, max(before, ceiling)))
        if part == "generator":
            speed = measure.convolution_ceiling(args.dtype, repeats=args.repeats)
            rows[-1]["convolution_gflop_per_s"] = speed
        print(report.line(rows[-1]), flush=True)
    notes = report.notes(rows) + decoding.decoding_notes(rows, configs, args.steps_per_s)
    for note in notes:
        print(note)
    if args.json:
        report.write_json(args.json, rows, notes)


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    run(bench, functools.partial(command_line.parse, description=__doc__), argv)


if __name__ == "__main__":
    use_compilation_cache("~/.cache/jaxtalk")
    main()
