"""The part that all builders of real data share: from a root to a corpus in the schema of a clip.

A builder of a data set says where its videos are and who is in which split (`list_sources`).
"""

import abc
import collections
import os

import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, expression
from jaxtalk.media.face_detector import face_detector
from jaxtalk.media.phonemes import recognise_phonemes
from tfds_builders.schema import clip_features

from . import coefficients, report, run, sources, transcripts
from .annotations import NUM_MESH
from .guard import Job
from .parameters import Parameters, check
from .store import stamp

SPLITS = ("train", "validation", "test")
_NUM_SHOWN = 3


class CorpusConfig(tfds.core.BuilderConfig):
    """How a corpus is made.

    Attributes:
      parameters: `Parameters`.
      basis: `expression.ExpressionBasis` for `expression`, or None: NaN.
      syncnet: directory of the weights that `parameters.syncnet` names, or "".
      coefficients: folder of the files that `parameters.coefficients` asks for, or "".
      options: dict of plain values of the builder's own.
    """

    def __init__(
        self,
        name="default",
        *,
        parameters=None,
        basis=None,
        syncnet="",
        coefficients="",
        options=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.parameters = parameters or Parameters()
        self.basis = basis
        self.syncnet = syncnet
        self.coefficients = coefficients
        self.options = dict(options or {})


class Corpus(tfds.core.GeneratorBasedBuilder, abc.ABC):
    """Base of the builders of real data; `download_config.manual_dir` is the root.

    With its `beam_runner` or `beam_options`, Apache Beam prepares and writes, else this machine.
    Two passes: every video is prepared and kept in the store, then the clips that are good are
    written. The first may be stopped at any time and goes on where it was.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = "See README.md beside the builder: where to apply for the data."

    def __init__(self, *args, num_processes=1, detector=face_detector, **kwargs):
        """
        Args:
          num_processes: that prepare videos on this machine, where Beam does not.
          detector: see `guard.Job`.
        """
        self._num_processes, self._detector = num_processes, detector
        kwargs.setdefault("file_format", "array_record")
        kwargs["config"] = kwargs.get("config") or CorpusConfig()
        super().__init__(*args, **kwargs)

    @abc.abstractmethod
    def list_sources(self, root):
        """`Listing` of a data set; `self.builder_config.options` holds the builder's own options.

        Raises:
          UserError: not the root of this data set.
        """

    def listing(self, root):
        """`list_sources` with the files beside the videos that the parameters ask for.

        Raises:
          UserError: none of them is there, or what must be read for the list cannot be read.
        """
        try:
            config, listing = self.builder_config, self.list_sources(root)
        except OSError as error:
            raise UserError(
                f"{error.filename or root}: {(error.strerror or str(error)).lower()}; expected a "
                "file or folder that can be read"
            ) from error
        found = listing.sources
        if config.parameters.phonemes == "transcript":
            found = [s._replace(transcript=transcripts.beside(s.path)) for s in found]
            if not any(source.transcript for source in found):
                raise UserError(
                    f"--phonemes: found no {' or '.join(transcripts.SUFFIXES)} beside any of "
                    f"{len(found)} videos, expected such as {sources.stem(found[0].path)}.txt with "
                    "what is said; without transcripts, give --phonemes pocketsphinx"
                )
        if config.parameters.coefficients != "none":
            folder = config.coefficients
            found = [s._replace(coefficients=coefficients.beside(folder, s.name)) for s in found]
            if not any(source.coefficients for source in found):
                raise UserError(
                    f"--coefficients: found none of {len(found)} videos in {folder}, expected such "
                    f"as {os.path.join(folder, found[0].name)}.mat"
                )
        return listing._replace(sources=found)

    @property
    def folder(self):
        """Of this config, all versions: holds build_report.jsonl."""
        return os.path.dirname(self.data_path)

    @property
    def job(self):
        """`guard.Job` by which the videos are prepared."""
        folder = os.path.join(self.data_dir_root, "prepared", self.name)
        config = self.builder_config
        return Job(folder, config.parameters, self._detector, syncnet=config.syncnet)

    def identity(self, listing):
        """Plain values: two corpora of which they are equal are the same corpus."""
        config = self.builder_config
        return {
            **config.parameters.plain(),
            **config.options,
            "expression_basis": config.basis.name if config.basis else "none",
            "videos": len(listing.sources),
            "video_names": report.fingerprint(source.name for source in listing.sources),
            "video_files": report.fingerprint(str(stamp(source)) for source in listing.sources),
        }

    def _info(self):
        jpeg = self.builder_config.parameters.video == "jpeg"
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            metadata=tfds.core.MetadataDict(),
            features=clip_features(num_mesh=NUM_MESH, jpeg=jpeg),
        )

    def _download_and_prepare(self, dl_manager, download_config):
        # Kept for the first pass, which runs a pipeline of its own.
        self._runner, self._options = download_config.beam_runner, download_config.beam_options
        super()._download_and_prepare(dl_manager, download_config)

    def _split_generators(self, dl_manager):
        config = self.builder_config
        check(config.parameters)
        with self._detector(config.parameters.detector):
            pass  # says what is missing before any video is opened
        if config.parameters.phonemes != "none":
            recognise_phonemes(np.zeros(audio.SAMPLE_RATE_HZ, np.int16))
        listing = self.listing(os.fspath(dl_manager.manual_dir))
        job = self.job
        pending = run.pending(listing.sources, job.store)
        try:
            if pending and self._uses_beam:
                run.prepare_with_beam(pending, job, self._runner, self._options)
            elif pending:
                run.prepare_here(pending, job, self._num_processes)
        finally:
            path = os.path.join(self.folder, "build_report.jsonl")
            outcome = report.write(path, listing, job.store)
        print("\n".join(report.table(outcome, len(pending))))
        self.info.metadata.update(self.identity(listing))
        by_split = collections.defaultdict(list)
        for clip in outcome.clips:
            by_split[clip.source.split].append(clip)
        if not by_split:
            raise UserError(
                f"--root: found no clip to keep among {len(listing.sources)} videos, "
                f"{report.shown_reasons(outcome, _NUM_SHOWN)}; see {path}"
            )
        return {
            split: self._generate_examples(by_split[split]) for split in SPLITS if split in by_split
        }

    @property
    def _uses_beam(self):
        return self._options is not None or self._runner is not None

    def _generate_examples(self, kept):
        speakers = {s: n for n, s in enumerate(sorted({clip.source.speaker for clip in kept}))}
        load = _Loader(self.job.store, self.builder_config, speakers)
        if not self._uses_beam:
            return map(load, kept)
        import apache_beam as beam

        return "Clips" >> beam.Create(kept) | "Load" >> beam.Map(load)


class _Loader:
    """From a `report.Clip` to (key, example)."""

    def __init__(self, store, config, speakers):
        self._store, self._config, self._speakers = store, config, speakers

    def __call__(self, clip):
        arrays = self._store.clip(clip.key, clip.number)
        parameters, basis = self._config.parameters, self._config.basis
        ends = np.cumsum(arrays.pop("video_bytes"))
        data = arrays.pop("video").tobytes()
        blobs = [data[start:end] for start, end in zip([0, *ends[:-1]], ends)]
        if "expression" in arrays:
            expressed = arrays.pop("expression")
        elif basis is None:
            shape = (len(arrays["mesh"]), expression.NUM_EXPRESSION)
            expressed = np.full(shape, np.nan, np.float32)
        else:
            expressed = expression.project(basis, arrays["mesh"])
        return clip.name, {
            "video": blobs if parameters.video == "jpeg" else blobs[0],
            "fps": np.float32(parameters.fps),
            "sample_rate_hz": np.int32(audio.SAMPLE_RATE_HZ),
            "speaker": clip.source.speaker,
            "speaker_id": np.int32(self._speakers[clip.source.speaker]),
            "style": clip.source.style,
            "text": "",
            "expression": expressed,
            # What is left: `Parameters.syncnet` has moved the sound, the report has by how much.
            "av_offset_frames": np.int32(0),
            "source_id": clip.name,
            "start_s": np.float32(clip.start_s),
            **arrays,
        }
