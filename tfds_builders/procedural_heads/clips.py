"""One clip from its specification: person, voice, text, motion, pictures, annotations.

A clip depends on nothing but its `ClipSpec`, so clips can be made in any order and in any number of
processes and come out byte for byte the same.
"""

from typing import NamedTuple

import numpy as np

from jaxtalk.media.face_mesh import mouth_box
from jaxtalk.media.image import encode_jpeg

from . import identity, motion, render, speech, texts


class ClipSpec(NamedTuple):
    """What names a clip; `speaker` counts from 0 within the split.

    `num_frames` counts 25 a second; of these, one in `stride` is drawn and kept.
    """

    seed: int
    split: str
    speaker: int
    clip: int
    num_frames: int
    size: int
    stride: int = 1

    @property
    def key(self):
        return f"{self.split}_{self.speaker:05d}_{self.clip:02d}"


def _rng(spec, *words):
    return np.random.default_rng([spec.seed, texts.SPLITS.index(spec.split), spec.speaker, *words])


def sample_voice(rng, split, female):
    """`speech.Voice` for a speaker of a split; no voice is used in two splits."""
    names = speech.VOICES[split]["female" if female else "male"]
    accent = speech.ACCENTS[rng.integers(len(speech.ACCENTS))]
    name = f"{accent}+{names[rng.integers(len(names))]}"
    return speech.Voice(name, int(rng.integers(38, 63)), int(rng.integers(38, 66)),
                        int(rng.integers(148, 190)))  # fmt: skip


def _speak(rng, spec, voice, emotion, level):
    """(audio int16 [S], phones, text) that covers the clip; the clip begins at sample 0."""
    style, amount = motion.STYLES[emotion], motion.style_amount(level)
    voice = voice._replace(
        pitch=int(np.clip(voice.pitch + amount * style.pitch, 5, 95)),
        pitch_range=int(np.clip(voice.pitch_range + amount * style.pitch_range, 5, 95)),
        words_per_min=int(voice.words_per_min * (1.0 + amount * style.pace)),
    )
    length_s = spec.num_frames / motion.FPS
    text = texts.sentence(rng, spec.split)
    said = speech.synthesise(text, voice, lead_s=float(rng.uniform(0.08, 0.5)))
    audio, phones = said.audio, said.phones
    while len(audio) < length_s * speech.SAMPLE_RATE_HZ:
        more = texts.sentence(rng, spec.split)
        text = f"{text} {more}"
        lead_s = float(rng.uniform(0.05, 0.35))
        said = speech.synthesise(more, voice, lead_s=lead_s, tail_s=float(rng.uniform(0.1, 0.4)))
        offset_s = len(audio) / speech.SAMPLE_RATE_HZ
        audio = np.concatenate([audio, said.audio])
        shifted = [p._replace(start_s=p.start_s + offset_s, end_s=p.end_s + offset_s)
                   for p in said.phones]  # fmt: skip
        phones = phones + shifted
    loud = np.sqrt(np.mean(audio[audio != 0].astype(np.float64) ** 2))
    level_db = rng.uniform(-25.0, -19.0)
    samples = audio * (32768.0 * 10 ** (level_db / 20.0) / max(loud, 1.0))
    samples = samples + rng.normal(0.0, rng.uniform(1.0, 12.0), len(samples))
    return np.clip(np.round(samples), -32767, 32767).astype(np.int16), phones, text


def _phoneme_per_frame(phones, num_frames):
    """Class [T] of the phone that sounds at t / 25 s, before frames are left out."""
    starts = np.array([p.start_s for p in phones])
    instants = np.arange(num_frames) / motion.FPS
    index = np.clip(np.searchsorted(starts, instants + 1e-6, side="right") - 1, 0, None)
    return np.array([phones[i].index for i in index], np.int32)


def make_clip(spec):
    """The example of a clip, as the builder's features name it."""
    person = identity.sample_person(_rng(spec, 0))
    voice = sample_voice(_rng(spec, 1), spec.split, person.female)
    liveliness = float(_rng(spec, 2).uniform(0.85, 1.15))
    rng = _rng(spec, 3, spec.clip)
    emotions = list(motion.STYLES)
    neutral = rng.random() < 0.3
    emotion = "neutral" if neutral else emotions[rng.integers(1, len(emotions))]
    level = 1 if neutral else int(rng.integers(1, 4))
    audio, phones, text = _speak(rng, spec, voice, emotion, level)
    num_samples = spec.num_frames * speech.SAMPLE_RATE_HZ // motion.FPS
    expression, rotation, shift = motion.motion(
        rng, phones, audio, spec.num_frames, emotion, level, liveliness
    )
    look = identity.sample_look(person, rng)
    camera = render.sample_camera(rng)
    scene = render.make_scene(person, look, camera, rng, spec.size)
    position = render.positions(camera, rotation, shift)
    drawn = slice(None, None, spec.stride)
    expression, rotation, position = expression[drawn], rotation[drawn], position[drawn]
    frames = [render.render(scene, e, r, p) for e, r, p in zip(expression, rotation, position)]
    landmarks = np.stack([frame.landmarks for frame in frames]).astype(np.float32)
    return {
        "video": [encode_jpeg(frame.image) for frame in frames],
        "audio": audio[:num_samples],
        "fps": np.float32(motion.FPS / spec.stride),
        "sample_rate_hz": np.int32(speech.SAMPLE_RATE_HZ),
        "speaker": f"{spec.split}_{spec.speaker:05d}",
        "speaker_id": np.int32(spec.speaker),
        "style": f"{emotion}_{level}",
        "text": text,
        "landmarks": landmarks,
        "mesh": np.stack([frame.mesh for frame in frames]).astype(np.float32),
        "expression": expression.astype(np.float32),
        "pose": np.concatenate([rotation, position], axis=1).astype(np.float32),
        "mouth_box": mouth_box(landmarks).astype(np.float32),
        "phonemes": _phoneme_per_frame(phones, spec.num_frames)[drawn],
        "av_offset_frames": np.int32(0),
        "source_id": spec.key,
        "start_s": np.float32(0.0),
    }
