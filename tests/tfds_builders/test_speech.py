"""Speech: exact phoneme times, the same bytes every time, no voice or sentence in two splits."""

import itertools

import numpy as np
import pytest

from jaxtalk.media.phonemes import PHONEMES
from tfds_builders.procedural_heads import clips, speech, texts

VOICE = speech.Voice("en-us+m3", 50, 50, 170)
SENTENCE = "My brother baked the pumpkin bread, and Zoe enjoyed five thick pieces of vision."


@pytest.fixture(scope="module")
def said():
    return speech.synthesise(SENTENCE, VOICE, lead_s=0.25, tail_s=0.3)


def names(phones):
    return [PHONEMES[phone.index] for phone in phones]


def test_phoneme_classes():
    assert len(PHONEMES) == 41
    assert PHONEMES[24] == "NSN" and PHONEMES[31] == "SIL"
    arpabet = [name for name in PHONEMES if name not in ("NSN", "SIL")]
    assert len(arpabet) == 39 and arpabet == sorted(arpabet)


def test_phones_cover_the_audio_without_gaps(said):
    assert said.phones[0].start_s == 0.0
    assert said.phones[-1].end_s == pytest.approx(len(said.audio) / 16_000)
    for before, after in itertools.pairwise(said.phones):
        assert before.end_s == pytest.approx(after.start_s, abs=1e-9)
        assert before.end_s > before.start_s


def test_phones_are_those_of_the_sentence(said):
    heard = names(said.phones)
    assert heard[0] == "SIL" and heard[-1] == "SIL"
    expected = "M AY B R AH DH ER B EY K".split()
    assert heard[1 : 1 + len(expected)] == expected
    assert "NSN" not in heard
    assert any(phone.stress for phone in said.phones)


def test_sound_is_where_the_phones_say(said):
    loudness = {"SIL": [], "vowel": []}
    for phone in said.phones:
        middle = said.audio[int(phone.start_s * 16_000) : int(phone.end_s * 16_000)]
        name = PHONEMES[phone.index]
        kind = "SIL" if name == "SIL" else "vowel" if name[0] in "AEIOU" else None
        if kind:
            loudness[kind].append(np.sqrt(np.mean(middle.astype(float) ** 2)))
    assert min(loudness["vowel"]) > 3 * max(loudness["SIL"])


def test_audio_does_not_depend_on_what_was_said_before(said):
    speech.synthesise("Something else.", speech.Voice("en-gb-scotland+f2", 60, 40, 150))
    again = speech.synthesise(SENTENCE, VOICE, lead_s=0.25, tail_s=0.3)
    np.testing.assert_array_equal(again.audio, said.audio)
    assert again.phones == said.phones


@pytest.mark.parametrize("accent", sorted(set(speech.ACCENTS)))
def test_every_sound_of_an_accent_is_known(accent):
    text = (
        "Measure the pleasure of fire, hour, beer, chair, tour. Bottle, button, rhythm, church. "
        "Boy, hat, hut, hot, hoot, heat, which, thing, curl, cure, poor, people, azure, yes, judge."
    )
    phones = speech.synthesise(text, speech.Voice(accent, 50, 50, 170)).phones
    assert "NSN" not in names(phones)
    assert len(set(names(phones))) > 30


def test_an_unknown_voice_is_refused():
    with pytest.raises(ValueError, match="nobody"):
        speech.synthesise("Hello.", speech.Voice("nobody", 50, 50, 170))


def test_every_voice_exists_and_is_of_one_split():
    voices = [name for kinds in speech.VOICES.values() for kind in kinds.values() for name in kind]
    assert len(voices) == len(set(voices))
    for name in voices:
        said = speech.synthesise("Hello there.", speech.Voice(f"en-us+{name}", 50, 50, 170))
        assert np.abs(said.audio.astype(int)).max() > 1000, name


def test_voices_of_a_split_stay_in_it():
    rng = np.random.default_rng(0)
    for split, kinds in speech.VOICES.items():
        allowed = {name for kind in kinds.values() for name in kind}
        for female in (False, True):
            drawn = {clips.sample_voice(rng, split, female).name for _ in range(20)}
            assert {name.split("+")[1] for name in drawn} <= allowed


def test_sentences_belong_to_one_split():
    rng = np.random.default_rng(0)
    drawn = {split: {texts.sentence(rng, split) for _ in range(200)} for split in texts.SPLITS}
    for one, other in itertools.combinations(texts.SPLITS, 2):
        assert not drawn[one] & drawn[other]
    for split, sentences in drawn.items():
        assert len(sentences) > 190  # hardly one twice
        assert all(texts.split_of(text) == split for text in sentences)
