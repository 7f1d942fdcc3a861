"""Builds a corpus of any folder of videos:

python -m tfds_builders.video_folder.build --root my_videos --data_dir data
"""

from tfds_builders.preparation import command_line

from .video_folder_dataset_builder import VideoFolder


def main(argv=None):
    """Command line."""
    command_line.run(VideoFolder, command_line.parser(__doc__.splitlines()[0]).parse_args(argv))


if __name__ == "__main__":
    main()
