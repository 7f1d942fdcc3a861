"""Imports point one way: who may import what, read off the syntax trees."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
EVERYWHERE = "jaxtalk.core.errors"

# Package or module -> the packages of this project that it may import, besides itself.
RULES = {
    "jaxtalk.core": (),
    "jaxtalk.media": (),
    "jaxtalk.ops": (),
    "jaxtalk.nn": ("jaxtalk.ops",),
    "jaxtalk.losses": ("jaxtalk.nn", "jaxtalk.ops"),
    "jaxtalk.metrics": ("jaxtalk.nn", "jaxtalk.ops"),
    "jaxtalk.data": ("jaxtalk.media", "jaxtalk.core"),
    "jaxtalk.training": ("jaxtalk.core", "jaxtalk.media"),
    "jaxtalk.pretrained": ("jaxtalk.nn",),
    "jaxtalk.systems.*": ("jaxtalk.core", "jaxtalk.ops", "jaxtalk.nn", "jaxtalk.losses"),
    "jaxtalk.pretraining.*": ("jaxtalk.core", "jaxtalk.ops", "jaxtalk.nn", "jaxtalk.losses"),
    "jaxtalk.talker": (
        "jaxtalk.core",
        "jaxtalk.media",
        "jaxtalk.nn",
        "jaxtalk.ops",
        "jaxtalk.systems",
        "jaxtalk.training.checkpoint",
    ),
    "jaxtalk.benchmarks": (
        "jaxtalk.core",
        "jaxtalk.data",
        "jaxtalk.media",
        "jaxtalk.nn",
        "jaxtalk.ops",
        "jaxtalk.systems",
        "jaxtalk.talker",
    ),
    "jaxtalk.evaluation": (
        "jaxtalk.core",
        "jaxtalk.data",
        "jaxtalk.media",
        "jaxtalk.metrics",
        "jaxtalk.nn",
        "jaxtalk.ops",
        "jaxtalk.talker",
        "jaxtalk.training.checkpoint",
    ),
    "jaxtalk.scoring": (
        "jaxtalk.core",
        "jaxtalk.data",
        "jaxtalk.evaluation",
        "jaxtalk.media",
        "jaxtalk.metrics",
        "jaxtalk.nn",
        "jaxtalk.talker",
        "jaxtalk.training.checkpoint",
    ),
    "jaxtalk.bundle": ("jaxtalk.evaluation.claims", "jaxtalk.training.checkpoint"),
    "configs": (),
    # The one module of the builders that needs JAX.
    "tfds_builders.preparation.lip_sync": (
        "jaxtalk.evaluation.networks",
        "jaxtalk.media",
        "jaxtalk.metrics",
        "jaxtalk.scoring",
        "jaxtalk.training.checkpoint",
        "tfds_builders.preparation.timing",
    ),
    "tfds_builders.preparation.coefficients": ("jaxtalk.media", "jaxtalk.pretrained.mat_file"),
    "tfds_builders": ("jaxtalk.media",),
}
ENTRY_POINTS = {"jaxtalk.train", "jaxtalk.generate", "jaxtalk.evaluate", "jaxtalk.convert"}
ENTRY_POINTS |= {"jaxtalk.app", "jaxtalk.bench", "jaxtalk.encode", "jaxtalk"}
# External packages that only certain files may import.
ONLY_IN = {
    "orbax": ("jaxtalk.training.checkpoint",),
    "tensorflow": (),
    "torch": (),
    "pickle": (),
}
NOT_IN = {
    "jaxtalk.media": ("jax", "flax", "optax"),
    "configs": ("jax", "flax", "jaxtalk"),
    "tfds_builders": ("jax", "flax", "optax"),
}


def modules():
    """Module name -> file, of all that is installed."""
    files = [
        f for top in ("jaxtalk", "configs", "tfds_builders") for f in (ROOT / top).rglob("*.py")
    ]
    return {module_name(file): file for file in sorted(files)}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module, tree, known):
    """Full names of the modules that a syntax tree imports, wherever it does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module
            if node.level:  # of a module; a package's own __init__ has no need of it
                parents = module.split(".")[: -node.level]
                origin = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{origin}.{alias.name}"
                yield name if name in known else origin


def inside(module, package):
    return module == package or module.startswith(f"{package}.")


def group(module):
    """(own package, packages it may import), None for one without a rule."""
    for rule, allowed in RULES.items():
        own = rule
        if rule.endswith(".*"):
            parts = module.split(".")
            own = ".".join(parts[:3]) if len(parts) > 2 else None
        if own and inside(module, rule.removesuffix(".*")) and inside(module, own):
            return own, allowed
    return None


def faults(module, source, known):
    """What a module imports against the rules."""
    names = set(imports(module, ast.parse(source), known))
    found = [
        name
        for name in names
        for package, users in ONLY_IN.items()
        if inside(name, package) and module not in users
    ]
    for package, forbidden in NOT_IN.items():
        if inside(module, package):
            found += [n for n in names for f in forbidden if inside(n, f)]
    if module in ENTRY_POINTS:
        return found
    own, allowed = group(module) or (module, ())
    for name in names:
        project = any(inside(name, top) for top in ("jaxtalk", "configs", "tfds_builders"))
        if project and name != EVERYWHERE:
            if not any(inside(name, package) for package in (own, *allowed)):
                found.append(name)
    return found


@pytest.mark.parametrize("module", modules())
def test_imports(module):
    known = modules()
    assert not faults(module, known[module].read_text(), known)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("jaxtalk.ops.mel", "from jaxtalk.nn import lstm", "jaxtalk.nn.lstm"),
        ("jaxtalk.ops.mel", "from jaxtalk.core.errors import UserError", None),
        ("jaxtalk.ops.mel", "from jaxtalk.core import batch", "jaxtalk.core.batch"),
        ("jaxtalk.media.audio", "def f():\n  import jax.numpy", "jax.numpy"),
        ("jaxtalk.systems.styletalker.step", "import jaxtalk.data", "jaxtalk.data"),
        ("jaxtalk.systems.styletalker.step", "from jaxtalk.systems.styletalker import block", None),
        (
            "jaxtalk.pretraining.psp.model",
            "from jaxtalk.pretraining.stylegan import blur",
            "jaxtalk.pretraining.stylegan.blur",
        ),
        ("jaxtalk.nn.lstm", "from ..losses import kl", "jaxtalk.losses.kl"),
        ("jaxtalk.nn.lstm", "from . import flow", None),
        ("jaxtalk.training.loop", "import orbax.checkpoint", "orbax.checkpoint"),
        ("jaxtalk.training.checkpoint", "import orbax.checkpoint", None),
        ("jaxtalk.train", "import pickle", "pickle"),
        ("jaxtalk.pretrained.torch_file", "import torch.serialization", "torch.serialization"),
        ("jaxtalk.talker", "from jaxtalk.training import loop", "jaxtalk.training.loop"),
        (
            "tfds_builders.preparation.clips",
            "from jaxtalk.scoring import observers",
            "jaxtalk.scoring.observers",
        ),
        ("tfds_builders.preparation.lip_sync", "from jaxtalk.scoring import observers", None),
        ("jaxtalk.unheard_of", "from jaxtalk.nn import lstm", "jaxtalk.nn.lstm"),
    ],
)
def test_the_rules_catch(module, source, fault):
    assert faults(module, source, modules()) == ([fault] if fault else [])


def test_every_package_has_a_rule():
    packages = {name for name, file in modules().items() if file.name == "__init__.py"}
    holders = {"jaxtalk", "jaxtalk.systems", "jaxtalk.pretraining"}
    assert not [name for name in packages - holders if group(name) is None]


def test_entry_points_are_thin():
    for module, file in modules().items():
        if module in ENTRY_POINTS:
            assert len(file.read_text().splitlines()) < 80, module
