"""Encodes every frame of a corpus to style codes, once, for all trainings on them.

  python -m jaxtalk.encode --dataset voxceleb2/default --checkpoint runs/paper --out codes
  python -m jaxtalk.encode --dataset hdtf/default --checkpoint runs/paper --out hdtf --shard 0/8
  python -m jaxtalk.train --config configs/styletalker.py:paper --config.dataset.codes_dir=codes

The same command goes on where it was stopped. Jobs with --shard 0/8, 1/8, ... 7/8 share the clips;
they need not run at once, nor on one machine. A clip that cannot be read is told, noted beside the
codes, and left out. The folder says in codes.json of which weights and corpus it is: with others it
is refused. Training with the same ones takes the codes, and encodes what is missing.
"""

import argparse
import re
import types

import jax
from ml_collections import ConfigDict

from jaxtalk.core import command_line
from jaxtalk.data.codes import encode_corpus
from jaxtalk.data.source import split_names
from jaxtalk.pretraining import psp
from jaxtalk.training import encoding
from jaxtalk.training.mesh import use_compilation_cache

WAIT_S = 30 * 24 * 3600  # of a process that is done, for the others


def shard(text):
    """A type of argument: "i/n" -> (i, n)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected i/n with i from 0 to n - 1")
    return int(match[1]), int(match[2])


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.encode", __doc__)
    parser.add_argument("--dataset", required=True, help="e.g. procedural_heads/demo_64")
    parser.add_argument("--data_dir", default="data", help="folder that holds the corpora")
    parser.add_argument(
        "--checkpoint", required=True, help='weights of psp, a work directory, or "bundle"'
    )
    parser.add_argument("--out", required=True, help="folder of the codes")
    parser.add_argument("--splits", nargs="+", help="all if not given; 'train[:9]' is not 'train'")
    parser.add_argument("--shard", type=shard, default=(0, 1), help="i/n: every n-th clip from i")
    parser.add_argument("--distributed", action="store_true", help="one of several processes")
    parser.add_argument("--coordinator_address", help="with it: host:port, where JAX cannot tell")
    parser.add_argument("--num_processes", type=int, help="with it, where JAX cannot tell")
    parser.add_argument("--process_id", type=int, help="with it, where JAX cannot tell")
    return parser.parse_args(argv)


def encode(args):
    """Computes the codes that are not there yet."""
    if args.distributed:
        address = args.coordinator_address, args.num_processes, args.process_id
        jax.distributed.initialize(*address, shutdown_timeout_seconds=WAIT_S)
    dataset = ConfigDict({"name": args.dataset, "data_dir": args.data_dir})
    splits = args.splits or split_names(dataset)
    variables, config = encoding.load_encoder(args.checkpoint)
    encoding.encode_corpus(
        *(psp.make_encode(config), variables, dataset),
        **{"codes_dir": args.out, "splits": splits, "shard": args.shard},
        data=types.SimpleNamespace(encode_corpus=encode_corpus),
    )
    print(f"{args.out}: all clips of shard {args.shard[0]}/{args.shard[1]} of {', '.join(splits)}")


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(encode, parse, argv)


if __name__ == "__main__":
    use_compilation_cache("~/.cache/jaxtalk")
    main()
