"""Builds a corpus of VoxCeleb2:

python -m tfds_builders.voxceleb2.build --root VoxCeleb2 --data_dir data
"""

import os

from tfds_builders.preparation import command_line

from .voxceleb2_dataset_builder import Voxceleb2


def main(argv=None):
    """Command line."""
    parser = command_line.parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--originals",
        help="folder of the original videos, <YouTube id>.mp4, to cut from instead of the "
        "release's crops, by the published boxes (dev/txt, test/txt)",
    )
    args = parser.parse_args(argv)
    originals = os.path.abspath(args.originals) if args.originals else ""
    command_line.run(Voxceleb2, args, {"originals": originals})


if __name__ == "__main__":
    main()
