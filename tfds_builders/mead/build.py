"""Builds a corpus of MEAD: python -m tfds_builders.mead.build --root MEAD --data_dir data"""

from tfds_builders.preparation import command_line

from .mead_dataset_builder import VIEWS, Mead


def main(argv=None):
    """Command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--views", default="front", help=f"of {', '.join(VIEWS)}; with commas")
    args = parser.parse_args(argv)
    command_line.run(Mead, args, {"views": args.views})


if __name__ == "__main__":
    main()
