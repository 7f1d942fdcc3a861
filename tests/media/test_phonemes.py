"""Phonemes of speech whose phonemes are known; pocketsphinx itself only where it is installed."""

import builtins

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media import phonemes as lib
from tfds_builders.procedural_heads import speech

SENTENCE = "My brother baked the bread, and she enjoyed five thick pieces."


def test_table_of_the_public_releases():
    assert len(lib.PHONEMES) == 41 and lib.PHONEMES[24] == "NSN" and lib.PHONEMES[31] == "SIL"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("AH", "AH"), ("AH0", "AH"), ("ZH", "ZH"), ("SIL", "SIL"), ("<s>", "SIL"), ("+SPN+", "NSN")],
)
def test_names_of_recognisers(name, expected):
    assert lib.PHONEMES[lib.phoneme_index(name)] == expected


def test_the_phoneme_at_the_time_of_the_frame():
    segments = [(lib.SIL, 0.0), (3, 0.08), (5, 0.12), (7, 0.201)]
    found = lib.frame_phonemes(segments, 7)
    assert found.dtype == np.int32
    assert found.tolist() == [lib.SIL, lib.SIL, 3, 5, 5, 5, 7]
    assert lib.frame_phonemes(segments, 5, fps=30).tolist() == [lib.SIL, lib.SIL, lib.SIL, 3, 5]
    assert lib.frame_phonemes([], 2).tolist() == [lib.SIL] * 2
    assert lib.frame_phonemes([(4, 0.1)], 4).tolist() == [lib.SIL, lib.SIL, lib.SIL, 4]


def test_without_the_extra(monkeypatch):
    def no_pocketsphinx(name, *args):
        if name == "pocketsphinx":
            raise ImportError("No module named 'pocketsphinx'")
        return imported(name, *args)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_pocketsphinx)
    with pytest.raises(UserError, match=r"pocketsphinx: cannot be imported .*jaxtalk\[phonemes\]"):
        lib.recognise_phonemes(np.zeros(1600, np.int16))


def test_other_arrays_are_named():
    with pytest.raises(ValueError, match="audio: found float64"):
        lib.recognise_phonemes(np.zeros(1600))


@pytest.fixture(scope="module")
def said():
    """Sound, and the true class of each frame."""
    pytest.importorskip("pocketsphinx")
    result = speech.synthesise(SENTENCE, speech.Voice("en-us+m3", 50, 50, 150))
    num_frames = -(-len(result.audio) // 640)
    true = lib.frame_phonemes([(p.index, p.start_s) for p in result.phones], num_frames)
    return result.audio, true


def test_recognises_without_a_transcript(said):
    audio, true = said
    found = lib.recognise_phonemes(audio)
    assert found.shape == true.shape and found.dtype == np.int32
    assert (found == true).mean() > 0.25  # the most frequent class alone would give less
    assert len(set(found.tolist())) > 8
    assert lib.recognise_phonemes(audio, num_frames=10).shape == (10,)
    assert len(lib.recognise_phonemes(audio, fps=30)) == -(-len(audio) * 30 // 16000)


def test_aligns_a_transcript(said):
    audio, true = said
    found = lib.recognise_phonemes(audio, SENTENCE.upper())
    assert (found == true).mean() > 0.6
    speaking = (found != lib.SIL) == (true != lib.SIL)
    assert speaking.mean() > 0.85


def test_transcripts_that_cannot_be(said):
    audio, _ = said
    with pytest.raises(UserError, match=r"transcript: found xyzzyq, expected words"):
        lib.recognise_phonemes(audio, "My xyzzyq")
    with pytest.raises(UserError, match="transcript: found no word"):
        lib.recognise_phonemes(audio, "...")
    with pytest.raises(UserError, match=r"its 60 words do not fit 0\.2 s"):
        lib.recognise_phonemes(audio[:3200], "my brother baked " * 20)
    assert (lib.recognise_phonemes(np.zeros(0, np.int16), num_frames=3) == lib.SIL).all()
