"""Mouth, blinks, nods and styles follow the speech."""

import numpy as np
import pytest

from tfds_builders.procedural_heads import motion, speech, visemes
from tfds_builders.procedural_heads.expression import INDEX, LOWER_FACE, NUM_EXPRESSION
from tfds_builders.procedural_heads.speech import PHONEME_INDEX, SIL, Phone


def phones_of(text, length_s=0.1):
    """Phones of equal length, with half a second of silence at both ends."""
    phones, now = [Phone(SIL, 0.0, 0.5, 0)], 0.5
    for name in text.split():
        phones.append(Phone(PHONEME_INDEX[name], now, now + length_s, int(name[0] in "AEIOU")))
        now += length_s
    return [*phones, Phone(SIL, now, now + 0.5, 0)]


def tracks_of(text, gain=1.0, **kwargs):
    phones = phones_of(text, **kwargs)
    return visemes.mouth_tracks(phones, np.ones(len(phones)), gain), phones


def gap(tracks):
    """Opening of relaxed lips in cm."""
    return tracks["jaw_open"] * (1.0 - tracks["lip_press"])


def at(track, time_s):
    return track[round(time_s * visemes.TRACK_RATE_HZ)]


@pytest.mark.parametrize("consonant", ["B", "M", "P"])
@pytest.mark.parametrize("length_s", [0.05, 0.08, 0.14])
def test_lips_meet_on_bilabials_between_open_vowels(consonant, length_s):
    tracks, phones = tracks_of(f"AA {consonant} AA {consonant} AE", length_s=length_s)
    opening = gap(tracks)
    for phone in phones:
        middle = 0.5 * (phone.start_s + phone.end_s)
        if phone.index in visemes.BILABIALS:
            # Any frame grid at 25 fps catches the closure.
            closed = [at(opening, middle + shift) for shift in (-0.02, 0.0, 0.02)]
            assert max(closed) < 0.03
        elif phone.index != SIL:
            assert at(opening, middle) > 0.25


def test_lower_lip_touches_the_teeth_on_f_and_v():
    tracks, phones = tracks_of("AA F AA V IY")
    for phone in phones:
        if phone.index in (PHONEME_INDEX["F"], PHONEME_INDEX["V"]):
            assert at(tracks["lip_tuck"], 0.5 * (phone.start_s + phone.end_s)) > 0.95


def test_silence_keeps_the_mouth_closed():
    tracks, phones = tracks_of("AA EH OW AA")
    opening = gap(tracks)
    time_s = np.arange(len(opening)) / visemes.TRACK_RATE_HZ
    quiet = (time_s < 0.3) | (time_s > phones[-1].start_s + 0.2)
    assert opening[quiet].max() < 0.02
    assert opening[~quiet].max() > 0.8


def test_vowels_differ_as_lips_do():
    def middle(vowel):
        tracks, _ = tracks_of(vowel, length_s=0.2)
        return {name: at(track, 0.6) for name, track in tracks.items()}

    shapes = {vowel: middle(vowel) for vowel in ("AA", "IY", "UW", "EH")}
    assert shapes["AA"]["jaw_open"] > shapes["EH"]["jaw_open"] > shapes["IY"]["jaw_open"]
    assert shapes["UW"]["lip_round"] > 0.5 > 0.1 > shapes["IY"]["lip_round"]
    assert shapes["IY"]["lip_wide"] > 0.4 > 0.1 > shapes["UW"]["lip_wide"]


def test_neighbours_colour_a_consonant():
    def rounding(vowel):
        tracks, phones = tracks_of(f"{vowel} T {vowel}")
        return at(tracks["lip_round"], 0.5 * (phones[2].start_s + phones[2].end_s))

    assert rounding("UW") > rounding("IY") + 0.2


def test_gain_opens_the_mouth_further():
    low, high = (gap(tracks_of("AA T AA", gain=gain)[0]).max() for gain in (0.7, 1.3))
    assert high > 1.5 * low


@pytest.fixture(scope="module")
def said():
    text = "We were told that my brother baked the bread. Nobody believed a word of it, of course."
    return speech.synthesise(text, speech.Voice("en-us+m3", 50, 50, 170), lead_s=0.4)


def moved(said, seed=0, emotion="neutral", level=1):
    num_frames = int(len(said.audio) / 640)
    rng = np.random.default_rng(seed)
    return motion.motion(rng, said.phones, said.audio, num_frames, emotion, level, 1.0)


def test_layout_of_the_64_parameters(said):
    expression, rotation, shift = moved(said)
    assert expression.shape == (len(rotation), NUM_EXPRESSION) and shift.shape == rotation.shape
    assert len(LOWER_FACE) == 13 and len(set(INDEX.values())) == len(INDEX)
    unnamed = [i for i in range(NUM_EXPRESSION) if i not in INDEX.values()]
    assert not expression[:, unnamed].any()
    mouth = [INDEX[name] for name in visemes.PARAMETERS]
    assert set(mouth) <= set(LOWER_FACE)
    assert INDEX["blink_left"] not in LOWER_FACE


def test_motion_stays_in_its_limits(said):
    for seed, emotion in enumerate(motion.STYLES):
        expression, rotation, _ = moved(said, seed, emotion, 3)
        assert np.isfinite(expression).all()
        assert np.abs(rotation).max() < 0.55
        blink = expression[:, INDEX["blink_left"]]
        assert blink.min() >= 0.0 and blink.max() <= 1.0
        assert np.abs(np.diff(rotation, axis=0)).max() < 0.08  # no jumps: 5 degrees a frame


def test_motion_is_reproducible_and_differs_between_seeds(said):
    first, again, other = moved(said, 1), moved(said, 1), moved(said, 2)
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[1] - other[1]).max() > 0.01


def test_blinks_gather_at_pauses(said):
    near = far = near_s = far_s = 0.0
    pauses = [p.start_s for p in said.phones if p.index == SIL and p.end_s - p.start_s > 0.08]
    for seed in range(60):
        blink = moved(said, seed)[0][:, INDEX["blink_left"]]
        begins = np.flatnonzero((blink[1:] > 0.3) & (blink[:-1] <= 0.3)) / motion.FPS
        time_s = np.arange(len(blink)) / motion.FPS
        at_pause = np.zeros(len(time_s), bool)
        for start_s in pauses:
            at_pause |= (time_s >= start_s) & (time_s < start_s + 0.3)
        hits = at_pause[(begins * motion.FPS).astype(int)]
        near, far = near + hits.sum(), far + (~hits).sum()
        near_s, far_s = near_s + at_pause.mean(), far_s + (~at_pause).mean()
    assert near / near_s > 2.0 * far / far_s


def test_nods_fall_on_stressed_vowels():
    phones = phones_of("T AA T T T T T T T AA T T T T T T T AA T T T T", length_s=0.12)
    audio = np.random.default_rng(0).normal(0, 3000, int(phones[-1].end_s * 16_000))
    num_frames = len(audio) // 640
    stressed = [0.5 * (p.start_s + p.end_s) for p in phones if p.stress]
    time_s = np.arange(num_frames) / motion.FPS
    near = np.min([np.abs(time_s - s) for s in stressed], axis=0) < 0.1
    pitch = np.mean(
        [
            motion.motion(
                np.random.default_rng(seed), phones, audio, num_frames, "neutral", 1, 1.0
            )[1][:, 1]
            for seed in range(80)
        ],
        axis=0,
    )
    assert pitch[near].mean() > pitch[~near].mean() + 0.01


def test_styles_move_the_face_as_named(said):
    def mean(name, emotion, level=3):
        return moved(said, 0, emotion, level)[0][:, INDEX[name]].mean()

    assert mean("smile", "happy") > mean("smile", "happy", 1) > mean("smile", "neutral") + 0.1
    assert mean("corner_down", "sad") > 0.3 > mean("corner_down", "happy")
    assert mean("brow_lower", "angry") > 0.5 > mean("brow_lower", "surprised")
    assert mean("brow_outer", "surprised") > 0.5
    assert mean("jaw_open", "angry") > mean("jaw_open", "neutral") > mean("jaw_open", "sad")


def test_closures_survive_every_style(said):
    for emotion in motion.STYLES:
        expression, _, _ = moved(said, 3, emotion, 3)
        for phone in said.phones:
            frame = round(0.5 * (phone.start_s + phone.end_s) * motion.FPS)
            if phone.index in visemes.BILABIALS and frame < len(expression):
                row = expression[frame]
                assert row[INDEX["lip_press"]] > 0.9
                assert row[INDEX["upper_lip_raise"]] < 0.1
