"""Fits the 64 expression components of a corpus: one pass, memory by speakers and not by clips.

python -m tfds_builders.fit_expression_basis --dataset data/hdtf/default/1.0.0 --out basis.npz

The corpus' `mesh` must be without pose, as in all corpora of this project. A speaker's mean mesh
is subtracted, so that the components hold what a face does and not whose it is.
"""

import argparse
import os
import sys

import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media.expression import ExpressionStatistics, save_basis


def fit(directory, split="train"):
    """(`ExpressionBasis`, number of clips, number of meshes) of a built corpus.

    Raises:
      UserError: no corpus there, no such split, no meshes in it, or too few of them.
    """
    if not os.path.exists(os.path.join(directory, "dataset_info.json")):
        raise UserError(
            f"--dataset: found no dataset_info.json in {directory}, expected the directory of a "
            "built corpus, such as data/hdtf/default/1.0.0"
        )
    builder = tfds.builder_from_directory(directory)
    if split not in builder.info.splits:
        raise UserError(f"--split: found {split}, expected one of {', '.join(builder.info.splits)}")
    missing = {"mesh", "speaker"} - set(builder.info.features)
    if missing:
        raise UserError(
            f"--dataset: found no {' and no '.join(sorted(missing))} in {directory}, expected a "
            "corpus with meshes and speakers"
        )
    statistics, num_clips = None, 0
    for example in builder.as_data_source(split):
        mesh = np.asarray(example["mesh"])
        statistics = statistics or ExpressionStatistics(mesh.shape[1])
        statistics.add(example["speaker"], mesh)
        num_clips += 1
    if statistics is None:
        raise UserError(f"--split: found no clip in {split} of {directory}, expected some")
    return statistics.basis(), num_clips, sum(statistics.counts.values())


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="directory of a built corpus")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", required=True, help=".npz file to write")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    args = parser.parse_args(argv)
    try:
        basis, num_clips, num_meshes = fit(args.dataset, args.split)
        save_basis(args.out, basis)
    except (UserError, OSError) as error:  # OSError: a corpus that cannot be read
        if args.debug:
            raise
        sys.exit(f"error: {error}")
    part = np.cumsum(basis.scale**2) / np.sum(basis.scale**2)
    print(f"{args.out}: basis {basis.name} of {num_meshes} meshes in {num_clips} clips")
    print(f"of what 64 components hold, 8 hold {part[7]:.1%} and 16 hold {part[15]:.1%}")


if __name__ == "__main__":
    main()
