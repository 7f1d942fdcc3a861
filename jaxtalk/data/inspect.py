"""Writes a page to look at a corpus with: numbers, histograms, rejects, clips as film strips.

  python -m jaxtalk.data.inspect --dataset procedural_heads/demo_64 --out page.html

One HTML file that needs no network. Memory does not grow with the number of clips; what cannot be
read is told and passed over. Of a large corpus, --limit looks at a part.
"""

import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jaxtalk.core import command_line
from jaxtalk.core.errors import UserError
from jaxtalk.data.film_strip import film_strip
from jaxtalk.data.inspection_page import write_page
from jaxtalk.data.source import corpus_dir
from jaxtalk.data.survey import new_histograms, read_report, survey_split


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.data.inspect", __doc__)
    parser.add_argument("--dataset", required=True, help="e.g. procedural_heads/demo_64")
    parser.add_argument("--data_dir", default="data", help="folder that holds the corpora")
    parser.add_argument("--split", help="default: all of them")
    parser.add_argument("--out", default="inspect.html", help="file to write")
    parser.add_argument("--limit", type=int, help="clips of each split to look at; default: all")
    parser.add_argument("--strips", type=int, default=8, help="film strips of each split")
    args = parser.parse_args(argv)
    for name, least in (("limit", 1), ("strips", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UserError(f"--{name}: found {value}, expected at least {least}")
    return args


def inspect(args):
    """Reads the corpus and writes the page.

    Raises:
      UserError: no such corpus or split, no clip that can be read, a page that cannot be written.
    """
    dataset = ConfigDict({"name": args.dataset, "data_dir": args.data_dir})
    info = tfds.builder_from_directory(corpus_dir(dataset)).info
    splits = [args.split] if args.split else [s for s in info.splits if info.splits[s].num_examples]
    histograms = new_histograms()
    surveys = [
        survey_split(
            *(dataset, split, histograms),
            limit=args.limit,
            num_strips=args.strips,
            draw=film_strip,
        )
        for split in splits
    ]
    if not any(found.num_read for found, _ in surveys):
        reason = next(fault for found, _ in surveys for _, fault in found.faults)
        raise UserError(
            f"--dataset: found no clip in {args.dataset} that can be read ({reason}); "
            "build the corpus again"
        )
    write_page(args.out, args.dataset, info, surveys, histograms, read_report(dataset))
    print(f"wrote {args.out}: {sum(found.num_read for found, _ in surveys)} clips looked at")


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(inspect, parse, argv)


if __name__ == "__main__":
    main()
