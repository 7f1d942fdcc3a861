"""Builds the embedded corpus: python -m tfds_builders.procedural_heads.build --data_dir data"""

import argparse
import sys
import time

import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from tfds_builders.room import told_of_room

from .procedural_heads_dataset_builder import CONFIGS, ProceduralHeads


def build(config, data_dir, num_processes):
    """Builds one config, unless it is there; says what was made.

    Raises:
      UserError: espeak is missing, all clips of a split failed, or `data_dir` cannot be written.
    """
    tfds.disable_progress_bar()  # the builder shows its own, which knows its end
    begin = time.monotonic()
    with told_of_room(data_dir, "make room, or name another folder"):
        builder = ProceduralHeads(config=config, data_dir=data_dir, num_processes=num_processes)
        if builder.data_path.exists():
            print(f"{builder.data_path} is built already")
            return
        builder.download_and_prepare()
    seconds = time.monotonic() - begin
    frames = sum(
        builder.info.splits[split].num_examples * len(range(0, size.frames, size.stride))
        for split, size in builder.builder_config.splits.items()
    )
    skipped = sum(len(clips) for clips in builder.info.metadata.values())
    print(f"{builder.data_path}: {frames} frames in {seconds:.0f} s, {skipped} clips skipped")


def main(argv=None):
    """Command line; a user's fault is one line and exit status 1."""
    configs = {config.name: config for config in CONFIGS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=CONFIGS[0].name, choices=list(configs))
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--num_processes", type=int, default=None, help="default: one per core")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    args = parser.parse_args(argv)
    try:
        build(configs[args.config], args.data_dir, args.num_processes)
    except UserError as error:
        if args.debug:
            raise
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
