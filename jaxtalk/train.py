"""Trains a recipe.

  python -m jaxtalk.train --config configs/styletalker.py
  python -m jaxtalk.train --config configs/styletalker.py:paper --workdir runs/paper --stage psp
  python -m jaxtalk.train --config configs/psp.py --config.psp.batch_size=32 --dry_run

The same command goes on where an interrupted run has stopped. --dry_run prints the plan;
--helpfull lists the flags of `jaxtalk.training.command_line`.
"""

import types

import jax
from absl import flags

from jaxtalk.data.codes import check_note, codes_key, encode_corpus
from jaxtalk.data.loader import make_eval_batches, make_loader
from jaxtalk.data.source import annotations, fingerprint
from jaxtalk.training import command_line, dry_run, mesh, recipe

FLAGS = flags.FLAGS
DATA = types.SimpleNamespace(
    make_loader=make_loader,
    make_eval_batches=make_eval_batches,
    codes_key=codes_key,
    check_note=check_note,
    encode_corpus=encode_corpus,
    fingerprint=fingerprint,
    annotations=annotations,
)


def main(argv, data=DATA):
    """Runs, or describes, the recipe of --config on `data`, see `recipe.run`."""
    del argv
    mesh.use_compilation_cache(FLAGS.compilation_cache)
    if FLAGS.distributed:
        jax.distributed.initialize(
            FLAGS.coordinator_address,
            FLAGS.num_processes,
            FLAGS.process_id,
            local_device_ids=[int(i) for i in FLAGS.local_device_ids] or None,
        )
    workdir = command_line.workdir()
    options = {"target": FLAGS.stage, "accept_changes": FLAGS.accept_changes}
    if FLAGS.dry_run:
        print(dry_run.table(FLAGS.config, recipe.plan(FLAGS.config, workdir, **options)))
    else:
        recipe.run(FLAGS.config, workdir, data=data, **options)


if __name__ == "__main__":
    command_line.define_flags()
    command_line.run(main)
