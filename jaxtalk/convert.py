"""Turns public weights into a directory of ours, for `config.pretrained.<stage>` or code to load.

  python -m jaxtalk.convert --list
  python -m jaxtalk.convert --kind lpips --input vgg16.pth --input2 vgg.pth --output weights/lpips
  python -m jaxtalk.convert --kind stylegan3 --input stylegan3-t-ffhqu-256x256.pkl --output w/sg3
  python -m jaxtalk.convert --kind psp --input psp.pt --input2 its-stylegan3.pkl --output w/psp
  python -m jaxtalk.convert --kind stylegan3 --verify --golden tests/golden

Files of torch.save, .safetensors, .npz and NVIDIA's pickles are read; nothing in them is executed.
Weights are written as every stage writes them for the next, as weights.npz with their config (Orbax
holds what training resumes from). The config is that of the stage's paper preset with the file's
architecture, or {network, model} where the network is no stage's. report.json lists the tensors
read. --verify compares our network with numbers of the public one, on this machine.
"""

import importlib

from ml_collections import ConfigDict

from jaxtalk.core import command_line
from jaxtalk.pretrained import conversion, kinds, parity
from jaxtalk.training.checkpoint import has_weights, save_weights


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.convert", __doc__)
    parser.add_argument("--list", action="store_true", help="print kinds, files and licences")
    parser.add_argument("--kind", help="which network")
    parser.add_argument("--input", help="the downloaded file")
    parser.add_argument("--input2", help="a second one, where the kind has two")
    parser.add_argument("--output", help="the directory to write")
    parser.add_argument("--verify", action="store_true", help="compare with the reference network")
    parser.add_argument("--golden", help="directory of the numbers to compare with")
    args = parser.parse_args(argv)
    needed = ("kind", "golden") if args.verify else ("kind", "input", "output")
    missing = [f"--{name}" for name in needed if not getattr(args, name)]
    if missing and not args.list:
        parser.error(f"missing: {', '.join(missing)} (or --verify and --golden, or --list)")
    return args


def convert(args):
    """Writes weights.npz and report.json."""
    kind = kinds.find(args.kind)
    conversion.check_same_kind(args.output, args.kind, has_weights(args.output))
    state, arguments, digests = conversion.read(kind, [*filter(None, (args.input, args.input2))])
    config = ConfigDict({"network": args.kind, "model": kind.fields()})
    model = config.model
    if kind.stage:
        config = importlib.import_module(f"configs.{kind.stage}").get_config("paper")
        for other in set(config.stages) - {kind.stage}:  # these weights say nothing of them
            del config[other], config.pretrained[other]
        config.stages = (kind.stage,)
        model = config[kind.stage].model
    kind.configure(model, state, arguments)
    networks, unused = conversion.convert(kind, state, model)
    save_weights(args.output, networks, config)
    conversion.write_report(args.output, args.kind, state, digests, unused, networks)
    print(f"{args.output}: weights of {kind.stage or args.kind}, see {args.output}/report.json")


def run(args):
    """What the command line asks for."""
    if args.list:
        print("\n".join(f"{n}: {k.files} [{k.licence}]" for n, k in kinds.KINDS.items()))
    elif args.verify:
        print("\n".join(parity.verify(args.kind, kinds.find(args.kind).golden, args.golden)))
    else:
        convert(args)


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(run, parse, argv)


if __name__ == "__main__":
    main()
