"""Writes files with PyTorch, as the authors of public weights do: python -m tests.torch_files DIR

A program of its own, because PyTorch and JAX need not share a process. DIR has generator.json with
the names, shapes and arguments of a StyleGAN3 generator; DIR/zip and DIR/legacy get the same files
in both forms of torch.save. The functions that tell the weights need no PyTorch.
"""

import argparse
import collections
import json
import pathlib
import pickle
import sys
import types

import numpy as np

from jaxtalk.pretrained import weight_rule
from tests import golden_files, torch_writer

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
GENERATOR_BUFFERS = ("freqs", "phases", "transform", "w_avg", "magnitude_ema")
W_DIM = 16


def reference(name):
    """The state dict of a golden file by its rule."""
    return weight_rule.from_meta(golden_files.load(name)[1])


def lpips():
    """(torchvision's VGG16, LPIPS's linear layers) of the golden file."""
    arrays, meta = golden_files.load("lpips_vgg")
    shapes = {n: shape for n, (shape, *_) in meta["state"].items() if n.startswith("net.")}
    trunk = weight_rule.weights(shapes, meta["weight_rule"]["seed"], meta["weight_rule"]["gain"])
    linear = {f"lin{i}.model.1.weight": arrays[f"lin{i}"].reshape(1, -1, 1, 1) for i in range(5)}
    trunk = {"features." + n.split(".", 2)[2]: a for n, a in trunk.items()}
    return {**trunk, "classifier.0.weight": np.zeros((2, 2), np.float32)}, linear


def narrow(name, divisor):
    """Shapes of a golden file's state dict with fewer channels."""
    table = golden_files.load(name)[1]["state"]["tensors_[shape,dtype,sum]"]
    return {
        n: [max(1, size // divisor) if size > 3 else size for size in shape]
        for n, (shape, *_) in table.items()
    }


def encoder():
    """A narrow pSp encoder of 8 styles for 32 pixels."""
    depth = {style: 1 + (style >= 3) + (style >= 7) for style in range(8)}
    shapes = {}
    for name, shape in narrow("psp_gradual_irse50_n16", 512 // W_DIM).items():
        part, _, rest = name.partition(".")
        style, _, layer = rest.partition(".convs.")
        index = int(style.split(".")[0]) if part == "styles" else 0
        if index in depth and (not layer or int(layer.split(".")[0]) < 2 * depth[index]):
            shapes[name] = shape
    return weight_rule.weights(shapes, 1)


def iresnet():
    """A narrow iresnet50."""
    return weight_rule.weights(narrow("arcface_iresnet50", 16), 2)


def generator(folder):
    """(state dict, arguments) of the generator that generator.json describes."""
    described = json.loads((pathlib.Path(folder) / "generator.json").read_text())
    state = weight_rule.weights(described["shapes"], 3, unit_suffixes=("weight",))
    for name, array in state.items():
        if name.endswith("magnitude_ema"):  # a mean square
            state[name] = np.ones_like(array)
    return state, described["arguments"]


MEAN_CODE = np.linspace(-1, 1, W_DIM, dtype=np.float32)


def main(folder):
    """Writes all files."""
    import torch

    class Part(torch.nn.Module):
        """A module with the tensors of a state dict."""

        def __init__(self, state, buffers=BUFFERS):
            super().__init__()
            parts = collections.defaultdict(dict)
            for name, array in state.items():
                first, _, rest = name.partition(".")
                if rest:
                    parts[first][rest] = array
                elif first in buffers:
                    self.register_buffer(first, torch.tensor(array))
                else:
                    self.register_parameter(first, torch.nn.Parameter(torch.tensor(array)))
            for first, part in parts.items():
                self.add_module(first, type(self)(part, buffers))

    class Generator(Part):
        """Pickled as NVIDIA's `persistence` does it."""

        def __reduce__(self):
            state = {"_init_args": (), "_init_kwargs": {}, **self.__dict__}
            names = {"type": "class", "version": 6, "class_name": "Generator"}
            source = "raise SystemExit('the source code was run')\n"
            return torch_writer.RECONSTRUCT, ({**names, "module_src": source, "state": state},)

    def save(name, tree):
        for form in ("zip", "legacy"):
            path = pathlib.Path(folder, form, name)
            path.parent.mkdir(exist_ok=True)
            torch.save(tree, path, _use_new_zipfile_serialization=form == "zip")

    def trained(module):
        """State of its optimizer after a step."""
        optimizer = torch.optim.Adam(module.parameters(), 1e-4, betas=(0.5, 0.999))
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        return optimizer.state_dict()

    small = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = trained(small)
    # PyTorch before 1.5 numbered the tensors of an optimizer by their addresses.
    addresses = {140_000_000_000_000 + i: state for i, state in optimizer["state"].items()}

    # Wav2Lip's: {state_dict, optimizer, global_step, global_epoch}.
    expert = Part(reference("wav2lip_syncnet_color")).state_dict()
    tree = {"state_dict": expert, "optimizer": {**optimizer, "state": addresses}}
    save("lipsync_expert.pth", {**tree, "global_step": 100_000, "global_epoch": 7})
    # syncnet_python's: the state dict itself.
    save("syncnet_v2.model", Part(reference("syncnet_python_lse")).state_dict())
    # torchvision's and LPIPS's. The former have parameters; what was trained in channels_last has
    # other strides.
    trunk, linear = map(Part, lpips())
    trunk = dict(trunk.to(memory_format=torch.channels_last).named_parameters())
    save("vgg16.pth", collections.OrderedDict(trunk))
    save("vgg.pth", linear.state_dict())
    # arcface_torch's; here of a module that was left in DataParallel.
    save("backbone.pth", torch.nn.DataParallel(Part(iresnet())).state_dict())
    # first-order-model's: networks and their optimizers.
    networks = {"kp_detector": small.state_dict(), "generator": small.state_dict()}
    schedule = torch.optim.lr_scheduler.MultiStepLR(
        torch.optim.SGD(small.parameters(), 0.1), [60, 90]
    )
    tree = {**networks, "optimizer_generator": {**optimizer, "state": addresses}, "epoch": 99}
    save("vox-cpk.pth.tar", {**tree, "scheduler": schedule.state_dict()})

    # pSp's: {state_dict, latent_avg, opts}.
    psp = Part({f"encoder.{n}": a for n, a in encoder().items()}).state_dict()
    psp["decoder.input.input"] = torch.zeros(1, W_DIM, 4, 4)
    options = argparse.Namespace(
        device=torch.device("cuda:0"),
        exp_dir=pathlib.PurePosixPath("runs") / "psp",
        learning_rate=np.float64(1e-4),
        mean=np.zeros(3, np.float32),
        size=torch.Size([256, 256]),
        dtypes={"train": torch.float16, "mean": np.dtype("f4")},
        losses=collections.defaultdict(list, {3: [0.5, -(1 << 62), None, b"bytes", 1j]}),
        layers={2: {"coarse", "middle"}, "of": range(3)},
    )
    mean_code = torch.tensor(MEAN_CODE)
    tree = {"state_dict": psp, "latent_avg": mean_code.repeat(8, 1), "opts": options}
    save("psp.pt", tree)
    save("psp_ffhq_encode.pt", {**tree, "opts": vars(options)})

    # All that tensors may be.
    storage = torch.arange(24, dtype=torch.float32)
    parameter = torch.nn.Parameter(torch.tensor([1.5, -2.5]))
    parameter.note = "an attribute"
    zoo = {
        "offset": storage[4:10],
        "transposed": storage.view(4, 6).t(),
        "every_other": storage[1::2],
        "expanded": torch.ones(1, 3).expand(2, 3),
        "attributes": parameter,
        "half": torch.tensor([0.5, -1.25], dtype=torch.float16),
        "bfloat16": torch.tensor([0.5, 3.140625], dtype=torch.bfloat16),
        "double": torch.tensor([0.1, 1e300], dtype=torch.float64),
        "bool": torch.tensor([True, False]),
        "long": torch.tensor([-(1 << 40), 7]),
        "int": torch.tensor([-5], dtype=torch.int32),
        "short": torch.tensor([-5], dtype=torch.int16),
        "char": torch.tensor([-5], dtype=torch.int8),
        "byte": torch.tensor([250], dtype=torch.uint8),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 4),
    }
    save("zoo.pt", zoo)
    plain = {n: t.detach().float() if n == "bfloat16" else t.detach() for n, t in zoo.items()}
    np.savez(pathlib.Path(folder, "zoo.npz"), **{n: t.numpy() for n, t in plain.items()})

    # What is refused: modules, of PyTorch and of others, and types that no network has.
    save("module.pt", torch.nn.Sequential(torch.nn.Linear(2, 2)))
    save("complex.pt", {"a": torch.zeros(2, dtype=torch.complex64)})
    save("list.pt", [torch.zeros(2)])

    # NVIDIA's, by Python's pickler and not by torch.save.
    state, arguments = generator(folder)
    network = Generator(state, GENERATOR_BUFFERS)
    network._init_kwargs = torch_writer.EasyDict(arguments)
    for found in (torch_writer.RECONSTRUCT, torch_writer.EasyDict):
        for name in (found.__module__.partition(".")[0], found.__module__):
            sys.modules[name] = types.ModuleType(name)
        setattr(sys.modules[found.__module__], found.__name__, found)
    networks = {"G": None, "D": None, "G_ema": network, "augment_pipe": None}
    pathlib.Path(folder, "stylegan3.pkl").write_bytes(pickle.dumps(networks, 4))


if __name__ == "__main__":
    main(sys.argv[1])
