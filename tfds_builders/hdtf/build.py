"""Builds a corpus of HDTF: python -m tfds_builders.hdtf.build --root HDTF --data_dir data"""

from tfds_builders.preparation import command_line

from .hdtf_dataset_builder import CROPS, Hdtf


def main(argv=None):
    """Command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "--crops",
        default=CROPS[0],
        choices=CROPS,
        help="the square around the face track, as for the other corpora, or the published one",
    )
    args = parser.parse_args(argv)
    command_line.run(Hdtf, args, {"crops": args.crops})


if __name__ == "__main__":
    main()
