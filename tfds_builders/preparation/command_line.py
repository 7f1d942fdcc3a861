"""The command line that the builders of real data share."""

import argparse
import os
import sys

import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media import expression
from jaxtalk.media.clip_filters import ClipLimits
from jaxtalk.media.face_detector import KINDS, face_detector
from tfds_builders.room import told_of_room

from .corpus import CorpusConfig
from .parameters import PHONEME_KINDS, VIDEO_KINDS, Parameters, check
from .sources import checked_root


def parser(description):
    """Arguments that all builders take; a builder adds its own."""
    defaults, limits = Parameters(), ClipLimits()
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--root", required=True, help="folder of the data set")
    result.add_argument("--data_dir", default="data", help="where corpora are built")
    result.add_argument("--config", default="default", help="name for this choice of parameters")
    result.add_argument("--num_processes", type=int, default=_cores(), help="default: one per core")
    result.add_argument("--size", type=int, default=defaults.size, help="px of the pictures")
    result.add_argument("--fps", type=int, default=defaults.fps, choices=(25, 30))
    result.add_argument("--video", default=defaults.video, choices=VIDEO_KINDS)
    result.add_argument("--crf", type=int, default=defaults.crf, help="quality of the mp4")
    result.add_argument("--detector", default="auto", choices=KINDS)
    result.add_argument("--phonemes", default=defaults.phonemes, choices=PHONEME_KINDS)
    result.add_argument(
        "--syncnet",
        metavar="DIR",
        help="bring sound and picture in step by a SyncNet: weights of the stage syncnet, of "
        "jaxtalk.convert --kind syncnet, or bundle (for drawn heads)",
    )
    result.add_argument(
        "--min_sync_confidence",
        type=float,
        help="LSE-C below which a clip is left out; default: 3 for the public SyncNet, else 0.25",
    )
    result.add_argument("--max_clip_s", type=float, default=defaults.max_clip_s)
    for name, value in limits._asdict().items():
        result.add_argument(f"--{name}", type=float, default=value)
    result.add_argument("--expression_basis", help=".npz of tfds_builders.fit_expression_basis")
    result.add_argument(
        "--coefficients",
        metavar="DIR",
        help="folder of expression coefficients of Deng et al. 2019, one .mat or .npy file for "
        "each video, named as the report's source",
    )
    result.add_argument(
        "--beam_pipeline_options",
        metavar="A=B,C=D",
        help="prepare and write by Apache Beam, e.g. "
        "direct_running_mode=multi_processing,direct_num_workers=4",
    )
    result.add_argument("--debug", action="store_true", help="show where an error comes from")
    return result


def run(builder_class, arguments, options=None):
    """Builds a corpus; a user's fault is one line and exit status 1.

    Args:
      builder_class: a `corpus.Corpus`.
      arguments: of `parser`.
      options: plain values of the builder's own.
    """
    try:
        build(builder_class, arguments, options)
    except UserError as error:
        if arguments.debug:
            raise
        sys.exit(f"error: {error}")


def build(builder_class, arguments, options=None, detector=face_detector):
    """As `run`, but raises UserError."""
    tfds.disable_progress_bar()
    root = checked_root(arguments.root)
    with detector(arguments.detector) as found:
        kind = found.name
    limits = ClipLimits(*(getattr(arguments, name) for name in ClipLimits._fields))
    syncnet, sync = _syncnet(arguments)
    basis, folder = arguments.expression_basis, _coefficients(arguments)
    found = {**sync, "coefficients": "deng2019" if folder else "none"}
    names = set(Parameters._fields) - {"limits", "detector", "max_gap", *found}
    values = {name: getattr(arguments, name) for name in names}
    parameters = Parameters(**values, **found, detector=kind, limits=limits)
    check(parameters)
    config = CorpusConfig(
        arguments.config,
        parameters=parameters,
        basis=expression.load_basis(basis) if basis else None,
        syncnet=syncnet,
        coefficients=folder,
        options=options,
    )
    with told_of_room(arguments.data_dir, "what is prepared is kept, start again"):
        builder = builder_class(
            config=config,
            data_dir=arguments.data_dir,
            num_processes=max(1, arguments.num_processes),
            detector=detector,
        )
        if builder.data_path.exists():
            check_same(builder, builder.listing(root))
            print(f"{builder.data_path} is built already")
            return
        os.makedirs(builder.folder, exist_ok=True)
        download = tfds.download.DownloadConfig(
            manual_dir=root, beam_options=_beam_options(arguments.beam_pipeline_options)
        )
        builder.download_and_prepare(download_config=download)
    print(
        f"{builder.data_path}: the corpus; {builder.folder}/build_report.jsonl: what became of it"
    )


def check_same(builder, listing):
    """UserError if the corpus that is there was made otherwise; names every difference."""
    there = tfds.builder_from_directory(os.fspath(builder.data_path)).info.metadata or {}
    wanted = builder.identity(listing)
    differences = [
        f"{name} {there.get(name, 'unknown')} and not {value}"
        for name, value in wanted.items()
        if there.get(name) != value
    ]
    if differences:
        raise UserError(
            f"--data_dir: found a corpus in {builder.data_path} with {'; '.join(differences)}; "
            "give this one another --config or --data_dir, or remove that one"
        )


def _syncnet(arguments):
    """(directory of weights or "", the `Parameters` that follow from it)."""
    confidence = arguments.min_sync_confidence
    if not arguments.syncnet:
        if confidence is not None:
            raise UserError(
                f"--min_sync_confidence: found {confidence:g} without --syncnet, expected both; "
                "what measures the confidence?"
            )
        return "", {"syncnet": "none", "min_sync_confidence": 0.0}
    from . import lip_sync  # needs JAX

    directory = lip_sync.find(arguments.syncnet)
    found = lip_sync.LipSync(directory)
    if confidence is None:
        confidence = lip_sync.MIN_CONFIDENCE[found.protocol]
    return directory, {"syncnet": found.name, "min_sync_confidence": confidence}


def _coefficients(arguments):
    """The folder of coefficients, or ""."""
    folder = arguments.coefficients
    if not folder:
        return ""
    if arguments.expression_basis:
        raise UserError(
            "--coefficients: found --expression_basis beside it, expected one of them: both make "
            "the key `expression`"
        )
    if not os.path.isdir(folder):
        raise UserError(
            f"--coefficients: found no folder {folder}, expected that of files such as NAME.mat"
        )
    return os.path.abspath(folder)


def _beam_options(text):
    """Beam's PipelineOptions from "a=b,c"; None without."""
    if text is None:
        return None
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UserError(
            f"--beam_pipeline_options: Apache Beam cannot be imported ({error}); run "
            "pip install 'jaxtalk[beam]', or leave the option away to use the cores of this machine"
        ) from None
    return PipelineOptions(flags=[f"--{option}" for option in text.split(",") if option])


def _cores():
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count()
