"""Phonemes of a recording, one class a video frame, by pocketsphinx (extra `phonemes`)."""

import os
import re

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio as audio_lib

# 39 ARPAbet phonemes in alphabetical order, with NSN (noise) at 24 and SIL (silence) at 31, as in
# the public releases of StyleTalk and AVCT.
PHONEMES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG NSN OW OY P R S SH SIL T TH "
    "UH UW V W Y Z ZH"
).split()
PHONEME_INDEX = {name: index for index, name in enumerate(PHONEMES)}
SIL = PHONEME_INDEX["SIL"]
_NSN = PHONEME_INDEX["NSN"]
_STEPS_PER_S = 100  # of the recogniser
# Of the public recipe for phoneme recognition with CMU Sphinx, which AVCT cites.
_ALLPHONE = {"lw": 2.0, "pip": 0.3, "beam": 1e-20, "pbeam": 1e-20}


def phoneme_index(name):
    """Class of a phoneme as a recogniser or a dictionary writes it: "AH", "AH0", "+SPN+"."""
    name = name.rstrip("0123456789")
    if name in ("<s>", "</s>", "<sil>", "(NULL)"):
        return SIL
    return PHONEME_INDEX.get(name, _NSN)


def frame_phonemes(segments, num_frames, fps=audio_lib.FPS):
    """Classes of video frames: the phoneme that sounds at t / fps s.

    Args:
      segments: pairs (class, start in s), rising; the last one lasts to the end.
      num_frames: T.
      fps: video frames a second.

    Returns:
      int32 [T]; silence before the first segment.
    """
    classes = np.array([SIL, *(index for index, _ in segments)], np.int32)
    starts = np.array([start_s for _, start_s in segments], np.float64)
    return classes[np.searchsorted(starts, np.arange(num_frames) / fps + 1e-6, side="right")]


def recognise_phonemes(audio, transcript=None, *, num_frames=None, fps=audio_lib.FPS):
    """Phonemes of English speech.

    Without a transcript by free phoneme recognition, of which half is wrong on synthetic speech;
    with one by forced alignment, whose phonemes are those of the dictionary and whose times fit.

    Args:
      audio: int16 [S], mono, 16 kHz.
      transcript: what is said; punctuation and case do not count.
      num_frames: T; default: those that cover the recording.
      fps: video frames a second.

    Returns:
      int32 [T], indices into `PHONEMES`.

    Raises:
      UserError: pocketsphinx is not installed; words that its dictionary lacks; a transcript that
        does not fit the recording.
    """
    if audio.dtype != np.int16 or audio.ndim != 1:
        raise ValueError(f"audio: found {audio.dtype}{list(audio.shape)}, expected int16 [S]")
    if num_frames is None:
        num_frames = int(np.ceil(len(audio) * fps / audio_lib.SAMPLE_RATE_HZ))
    segments = _allphone(audio) if transcript is None else align(audio, transcript)
    return frame_phonemes(segments, num_frames, fps)


def _decoder(files, **options):
    """A recogniser with files of the model that comes with the package."""
    try:
        from pocketsphinx import Decoder, get_model_path
    except ImportError as error:
        raise UserError(
            f"pocketsphinx: cannot be imported ({error}), needed to recognise phonemes; run "
            "pip install 'jaxtalk[phonemes]'"
        ) from None
    model = get_model_path("en-us")
    named = {name: os.path.join(model, file) for name, file in files.items()}
    acoustic = os.path.join(model, "en-us")
    defaults = {"hmm": acoustic, "lm": None, "dict": None, "loglevel": "FATAL"}
    return Decoder(**defaults | options | named)


def _run(decoder, audio):
    decoder.start_utt()
    if len(audio):
        decoder.process_raw(audio.tobytes(), full_utt=True)
    decoder.end_utt()


def _allphone(audio):
    decoder = _decoder({"allphone": "en-us-phone.lm.bin"}, **_ALLPHONE)
    _run(decoder, audio)
    return [(phoneme_index(s.word), s.start_frame / _STEPS_PER_S) for s in decoder.seg() or ()]


def align(audio, transcript):
    """When each phoneme of a transcript sounds, by forced alignment.

    Args:
      audio: int16 [S], mono, 16 kHz.
      transcript: what is said in all of it.

    Returns:
      Pairs (class, start in s), rising, for `frame_phonemes`.

    Raises:
      UserError: see `recognise_phonemes`.
    """
    # Without `bestpath=False`, the words' times of the first pass are those of the lattice.
    decoder = _decoder({"dict": "cmudict-en-us.dict"}, bestpath=False)
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", transcript.lower().replace("’", "'"))
    unknown = sorted({word for word in words if decoder.lookup_word(word) is None})
    if not words or unknown:
        raise UserError(
            f"transcript: found {', '.join(unknown) or 'no word'}, expected words of the English "
            "dictionary; give none to have the phonemes recognised"
        )
    decoder.set_align_text(" ".join(words))
    try:
        _run(decoder, audio)
        decoder.set_alignment()
        _run(decoder, audio)
        alignment = decoder.get_alignment()
    except RuntimeError:
        alignment = None
    if alignment is None:
        raise UserError(
            f"transcript: its {len(words)} words do not fit {len(audio) / 16000:.1f} s of sound; "
            "expected what is said in this clip, or none"
        )
    phones = [phone for word in alignment for phone in word]
    return [(phoneme_index(phone.name), phone.start / _STEPS_PER_S) for phone in phones]
