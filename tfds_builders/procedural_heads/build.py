"""Builds the embedded corpus: python -m tfds_builders.procedural_heads.build --data_dir data"""

import argparse
import sys
import time

from jaxtalk.core.errors import UserError

from .procedural_heads_dataset_builder import CONFIGS, ProceduralHeads


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="demo_64", choices=[c.name for c in CONFIGS])
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--num_processes", type=int, default=None, help="default: one per core")
    args = parser.parse_args(argv)
    begin = time.monotonic()
    try:
        builder = ProceduralHeads(
            config=args.config, data_dir=args.data_dir, num_processes=args.num_processes
        )
        builder.download_and_prepare(file_format="array_record")
    except UserError as error:
        sys.exit(str(error))
    frames = sum(
        builder.info.splits[name].num_examples * size.frames
        for name, size in builder.builder_config.splits.items()
    )
    print(f"{builder.data_path}: {frames} frames in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
