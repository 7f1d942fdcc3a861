"""Synthesised speech with exact phoneme times: espeak-ng, called through ctypes.

`espeakng-loader` is a wheel that carries the library and its voices, so nothing has to be
installed on the system. The library keeps its synthesis state (wave phases, noise) between
utterances, which would make the audio of a clip depend on the clips before it; it is therefore
unloaded after each utterance, and loading it again takes 4 ms.
"""

import _ctypes
import ctypes
from typing import NamedTuple

import numpy as np
from scipy import signal

from jaxtalk.core.errors import UserError
from jaxtalk.media.phonemes import PHONEME_INDEX, SIL

SAMPLE_RATE_HZ = 16_000

# espeak-ng's English mnemonics; a pair is a diphone that ARPAbet writes as two.
_MNEMONICS = {
    "0": "AA", "3": "ER", "3:": "ER", "?": "T", "@": "AH", "@2": "AH", "@5": "AH", "@L": "AH L",
    "A:": "AA", "A@": "AA R", "A~": "AA", "D": "DH", "E": "EH", "I": "IH", "I#": "IH", "I2": "IH",
    "IR": "ER", "ER": "ER", "VR": "ER", "N": "NG", "O": "AO", "O:": "AO", "O@": "AO R",
    "OI": "OY", "S": "SH", "T": "TH", "U": "UH", "U@": "UH R", "V": "AH", "Z": "ZH", "a": "AE",
    "a#": "AH", "aa": "AE", "aI": "AY", "aI2": "AY", "aI3": "AY", "aI@": "AY ER", "aU": "AW",
    "aU@": "AW ER", "b": "B", "d": "D", "dZ": "JH", "e": "EH", "e@": "EH R", "eI": "EY", "f": "F",
    "g": "G", "h": "HH", "i": "IY", "i:": "IY", "i@": "IH ER", "i@3": "IH ER", "j": "Y", "k": "K",
    "l": "L", "l#": "L", "m": "M", "n": "N", "o@": "AO R", "oU": "OW", "p": "P", "r": "R",
    "s": "S", "t": "T", "t#": "T", "t2": "T", "t[": "T", "tS": "CH", "u": "UW", "u:": "UW",
    "v": "V", "w": "W", "w#": "W", "x": "K", "z": "Z",
}  # fmt: skip

VOICES = {
    "train": {
        "female": "f1 f2 f3 f5 Annie Andrea belinda linda shelby anika".split(),
        "male": "m1 m2 m3 m5 m6 m7 Alex Andy Gene Michael Lee ed john quincy norbert boris".split(),
    },
    "validation": {"female": ["aunty"], "male": ["m4", "max"]},
    "test": {"female": ["f4", "Alicia", "grandma"], "male": ["Mike", "robert", "victor", "rob"]},
}
ACCENTS = ("en-us", "en-us", "en-gb-x-rp", "en-us-nyc", "en-gb-scotland", "en-029")


class Voice(NamedTuple):
    """A speaker's voice: espeak-ng voice name, pitch and its range (0..99, 50 is usual), speed."""

    name: str
    pitch: int
    pitch_range: int
    words_per_min: int


class Phone(NamedTuple):
    """One phoneme: class (index into PHONEMES), begin and end in seconds, 1 if stressed."""

    index: int
    start_s: float
    end_s: float
    stress: int


class Speech(NamedTuple):
    """int16 [S] at 16 kHz, and the phones that cover it without gaps."""

    audio: np.ndarray
    phones: list


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("phoneme", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_EVENT_LIST_END, _EVENT_PHONEME = 0, 7
_OUTPUT_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT, _UTF8 = 2, 0x0001, 0x8000, 1
_RATE, _PITCH, _RANGE = 1, 3, 4


def _speak(text, voice):
    """PCM int16 at the library's rate, that rate, and (sample, mnemonic) of each phoneme."""
    try:
        import espeakng_loader
    except ImportError:
        raise UserError(
            "espeakng-loader: not installed, needed to build procedural_heads; "
            "run pip install 'jaxtalk[demo]'"
        ) from None
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    ctypes.CDLL(None).srand(1)
    pieces, events = [], []

    def receive(samples, num_samples, event):
        if num_samples > 0:
            pieces.append(np.ctypeslib.as_array(samples, shape=(num_samples,)).copy())
        i = 0
        while event[i].type != _EVENT_LIST_END:
            if event[i].type == _EVENT_PHONEME:
                events.append((event[i].sample, event[i].phoneme.decode()))
            i += 1
        return 0

    callback = _CALLBACK(receive)
    try:
        rate_hz = library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            _PHONEME_EVENTS | _DONT_EXIT,
        )
        if rate_hz <= 0:
            raise RuntimeError("espeak-ng does not start: its voices were not found")
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"voice: espeak-ng has no {voice.name!r}")
        library.espeak_SetParameter(_RATE, int(voice.words_per_min), 0)
        library.espeak_SetParameter(_PITCH, int(voice.pitch), 0)
        library.espeak_SetParameter(_RANGE, int(voice.pitch_range), 0)
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)
    return np.concatenate(pieces), rate_hz, events


def arpabet(mnemonic):
    """(phoneme classes, stress) of an espeak-ng mnemonic; classes are empty where it has no sound
    of its own, [SIL] for a pause, [NSN] where it is unknown."""
    name = mnemonic.lstrip("',%=|")
    stress = int(mnemonic.startswith("'"))
    if name.startswith("_"):
        return [SIL], 0
    if name in ("", ";"):
        return [], 0
    known = _MNEMONICS.get(name) or _MNEMONICS.get(name.rstrip("#-[~:0123456789"), "NSN")
    return [PHONEME_INDEX[part] for part in known.split()], stress


def synthesise(text, voice, *, lead_s=0.2, tail_s=0.3):
    """Speech of `text`, with silence of `lead_s` before and `tail_s` after it.

    The same arguments give the same samples in every process.
    """
    pcm, rate_hz, events = _speak(text, voice)
    audio = signal.resample_poly(pcm.astype(np.float64), 320, 441 * rate_hz // 22_050)
    audio = np.clip(np.round(audio), -32768, 32767).astype(np.int16)
    lead, tail = (round(s * SAMPLE_RATE_HZ) for s in (lead_s, tail_s))
    audio = np.concatenate([np.zeros(lead, np.int16), audio, np.zeros(tail, np.int16)])

    phones = []

    def append(index, start_s, end_s, stress=0):
        if end_s <= start_s:
            return
        if index == SIL and phones and phones[-1].index == SIL:
            start_s = phones.pop().start_s
        phones.append(Phone(index, start_s, end_s, stress))

    lead_end_s = lead / SAMPLE_RATE_HZ
    starts = [lead_end_s + sample / rate_hz for sample, _ in events]
    ends = [*starts[1:], (len(audio) - tail) / SAMPLE_RATE_HZ]
    append(SIL, 0.0, starts[0] if starts else lead_end_s)
    for (_, mnemonic), start_s, end_s in zip(events, starts, ends):
        classes, stress = arpabet(mnemonic)
        if not classes and phones:  # a mark without a sound: the phone before it goes on
            phones[-1] = phones[-1]._replace(end_s=end_s)
        bounds = np.linspace(start_s, end_s, len(classes) + 1)
        for index, begin, end in zip(classes, bounds[:-1], bounds[1:]):
            append(index, float(begin), float(end), stress)
            stress = 0
    append(SIL, phones[-1].end_s, len(audio) / SAMPLE_RATE_HZ)
    return Speech(audio, phones)
