"""Builds the embedded corpus: python -m tfds_builders.procedural_heads.build --data_dir data"""

import argparse
import sys
import time

import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError

from .procedural_heads_dataset_builder import CONFIGS, ProceduralHeads


def main(argv=None):
    configs = {config.name: config for config in CONFIGS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=CONFIGS[0].name, choices=list(configs))
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--num_processes", type=int, default=None, help="default: one per core")
    args = parser.parse_args(argv)
    tfds.disable_progress_bar()  # the builder shows its own, which knows its end
    builder = ProceduralHeads(
        config=configs[args.config], data_dir=args.data_dir, num_processes=args.num_processes
    )
    if builder.data_path.exists():
        print(f"{builder.data_path} is built already")
        return
    begin = time.monotonic()
    try:
        builder.download_and_prepare()
    except UserError as error:
        sys.exit(str(error))
    seconds = time.monotonic() - begin
    frames = sum(
        builder.info.splits[split].num_examples * size.frames
        for split, size in builder.builder_config.splits.items()
    )
    skipped = sum(len(clips) for clips in builder.info.metadata.values())
    print(f"{builder.data_path}: {frames} frames in {seconds:.0f} s, {skipped} clips skipped")


if __name__ == "__main__":
    main()
