"""Who the people are: shape, skin, hair, eyes, clothes, room and light, all drawn from a seed."""

from typing import NamedTuple

import numpy as np

from .shape import Shape


class Look(NamedTuple):
    """What the shading kernel needs to know of a clip. Colours are linear light, sizes cm."""

    skin: tuple
    lip: tuple
    hair: tuple
    brow: tuple
    iris: tuple
    cloth: tuple
    cloth2: tuple
    key: tuple  # colour of the key light
    sky: tuple  # ambient light from above
    ground: tuple  # ambient light from below
    light: tuple  # unit vector to the key light, camera's frame
    eye: tuple  # x, y, half-width, open, tilt
    pupil: float
    brow_line: tuple  # height over the eyes, arch, thickness, density
    mouth: tuple  # y, half-width, upper lip, lower lip, bow
    nose: tuple  # base, width
    flush: float
    mottle: float
    freckles: float
    stubble: float
    age: float
    shine: float
    liner: float
    collar: tuple  # kind, depth
    weave: float
    seed: float


class Hair(NamedTuple):
    """How somebody wears hair; lengths in cm."""

    style: str  # key of hair.STYLES
    hairline: float  # height of the border over the forehead
    temples: float  # how far it recedes at the sides
    parting: float  # x
    side: float  # combed to -1 or 1
    length: float  # factor of the style's
    curl: float  # factor of the style's
    frame: float  # distance of hanging hair from the middle of the face
    beard: str
    beard_length: float


class Glasses(NamedTuple):
    """Frames of glasses; lengths in cm."""

    thickness: float  # 0: wears none
    half_height: float
    squareness: float  # 2: round
    colour: tuple


class Person(NamedTuple):
    """Somebody: the same in all of their clips."""

    shape: Shape
    hair: Hair
    palette: dict  # linear colours [3]: skin, lip, hair, brow, iris, cloth, cloth2
    traits: dict  # amounts of what the skin, brows and hair show, 0 to about 1
    glasses: Glasses
    female: bool


_SKINS = np.array([  # sRGB, light to dark
    [0.90, 0.75, 0.67], [0.88, 0.71, 0.61], [0.86, 0.67, 0.54], [0.80, 0.60, 0.46],
    [0.72, 0.52, 0.38], [0.62, 0.43, 0.31], [0.52, 0.355, 0.26], [0.43, 0.29, 0.215],
])  # fmt: skip
_HAIRS = {
    "black": (0.07, 0.06, 0.06), "dark": (0.14, 0.10, 0.08), "brown": (0.27, 0.18, 0.12),
    "chestnut": (0.36, 0.21, 0.13), "auburn": (0.44, 0.20, 0.11), "red": (0.60, 0.28, 0.13),
    "blond": (0.68, 0.53, 0.33), "light": (0.80, 0.69, 0.48), "grey": (0.26, 0.25, 0.24),
    "white": (0.62, 0.61, 0.60),
}  # fmt: skip
_IRISES = {
    "brown": (0.27, 0.15, 0.08), "dark": (0.15, 0.09, 0.06), "hazel": (0.42, 0.31, 0.15),
    "green": (0.35, 0.43, 0.27), "blue": (0.33, 0.48, 0.62), "grey": (0.47, 0.52, 0.55),
}  # fmt: skip
_CLOTHES = np.array([
    [0.13, 0.15, 0.22], [0.08, 0.08, 0.09], [0.75, 0.75, 0.73], [0.45, 0.12, 0.13],
    [0.18, 0.30, 0.22], [0.25, 0.36, 0.52], [0.55, 0.47, 0.36], [0.40, 0.40, 0.42],
    [0.62, 0.40, 0.20], [0.36, 0.22, 0.36], [0.70, 0.55, 0.55], [0.20, 0.42, 0.45],
])  # fmt: skip


def linear(colour):
    """sRGB-like values to linear light."""
    return np.clip(np.asarray(colour, np.float64), 0.0, 1.0) ** 2.2


def _choice(rng, names, weights):
    weights = np.asarray(weights, np.float64)
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _sample_hair(rng, female, curly, age):
    if female:
        styles = ["long", "wavy", "bob", "bangs", "bun", "fringe", "curls", "afro", "swept"]
        weights = [2.0, 2.0, 1.5, 1.5, 1.6, 0.3, 0.3, 0.0, 0.3]
        if curly:
            weights = [0.4, 1.2, 0.3, 0.2, 1.5, 0.2, 1.5, 2.0, 0.2]
    else:
        styles = ["short", "swept", "fringe", "crop", "buzz", "ring", "bald", "curls", "afro"]
        weights = [2.4, 2.0, 1.6, 1.3, 0.8, 1.4 * max(0.0, age - 0.3), 0.25 + 0.5 * age, 0.6, 0.0]
        if curly:
            weights = [0.3, 0.1, 0.2, 1.4, 1.6, 0.8 * max(0.0, age - 0.3), 0.8, 1.4, 1.2]
    style = _choice(rng, styles, weights)
    beard = "none"
    if not female:
        beards = ["none", "stubble", "moustache", "goatee", "full"]
        beard = _choice(rng, beards, [2.2, 1.6, 0.35, 0.6, 1.1])
    side = float(rng.choice([-1.0, 1.0]))
    recede = 0.0 if female else 1.0 * max(0.0, age - 0.4) * rng.random()
    return Hair(
        style=style,
        hairline=float(np.clip(rng.normal(7.6, 0.35), 6.9, 8.4)) + recede,
        temples=float(rng.uniform(0.0, 0.6) + (0.0 if female else 0.4 + recede)),
        parting=float(-side * rng.choice([0.0, rng.uniform(1.0, 3.2)], p=[0.3, 0.7])),
        side=side,
        length=float(rng.uniform(0.8, 1.2)),
        curl=float(rng.uniform(0.7, 1.3) * (1.4 if curly else 1.0)),
        frame=float(rng.uniform(6.3, 7.6)),
        beard=beard,
        beard_length=float(rng.uniform(0.5, 1.9)),
    )


def sample_person(rng):
    """A `Person` drawn with the numpy generator `rng`."""
    female = bool(rng.random() < 0.5)
    f = 1.0 if female else 0.0

    def around(mean, spread, low=None, high=None):
        low = mean - 2.2 * spread if low is None else low
        high = mean + 2.2 * spread if high is None else high
        return float(np.clip(rng.normal(mean, spread), low, high))

    tone = rng.uniform(0, 7)
    shape = Shape(
        width=around(1.0 - 0.02 * f, 0.045), height=around(1.0 - 0.015 * f, 0.03),
        jaw=around(1.03 - 0.08 * f, 0.06), chin=around(1.0 - 0.1 * f, 0.25),
        cheekbone=around(1.0, 0.25), cheek=around(1.0, 0.38),
        brow_ridge=around(1.15 - 0.55 * f, 0.25), nose_length=around(1.0, 0.33),
        nose_width=around(1.0 - 0.08 * f + 0.03 * tone, 0.11),
        nose_tip=around(1.0 - 0.05 * f, 0.13), nose_bridge=around(1.0 - 0.02 * tone, 0.12),
        eye_x=around(3.15, 0.14),
        eye_y=around(2.6, 0.12), eye_half_width=around(1.42 + 0.03 * f, 0.06),
        eye_open=around(0.52 + 0.05 * f, 0.055), eye_tilt=around(0.06 + 0.03 * f, 0.05),
        eye_depth=around(1.0, 0.18), brow_y=around(1.66 + 0.12 * f, 0.12),
        brow_arch=around(0.8 + 0.4 * f, 0.3), mouth_y=around(-4.05, 0.14),
        mouth_half_width=around(2.5 - 0.12 * f, 0.18),
        upper_lip=around(0.58 + 0.08 * f + 0.03 * tone, 0.1, 0.42, 0.95),
        lower_lip=around(0.74 + 0.10 * f + 0.03 * tone, 0.1, 0.52, 1.1),
        bow=around(1.0, 0.35), ear=around(1.0 - 0.06 * f, 0.06),
        neck=around(1.06 - 0.16 * f, 0.05), shoulders=around(1.04 - 0.13 * f, 0.05),
    )  # fmt: skip

    low = int(min(tone, 6.0))
    skin = _SKINS[low] + (tone - low) * (_SKINS[low + 1] - _SKINS[low])
    skin = np.clip(skin * rng.normal(1.0, 0.02, 3), 0.1, 0.97)
    age = float(np.clip(rng.beta(1.6, 2.2), 0, 1))
    names = list(_HAIRS)
    light = max(0.0, 1.0 - tone / 3.0)
    weights = [2.0, 2.4, 2.2 * light + 0.3, 1.2 * light, 0.6 * light, 0.5 * light, 1.6 * light,
               0.8 * light, 2.5 * max(0.0, age - 0.55), 2.5 * max(0.0, age - 0.7)]  # fmt: skip
    hair_name = _choice(rng, names, weights)
    hair = np.array(_HAIRS[hair_name]) * rng.uniform(0.85, 1.15)
    grey_hair = {"grey": rng.uniform(0.3, 0.7), "white": 0.95}.get(
        hair_name, 0.7 * max(0.0, age - 0.5) * rng.random()
    )
    brow_tint = rng.uniform(0.5, 0.85) if hair_name in ("light", "white", "grey", "blond") else 0.85
    iris_names = list(_IRISES)
    iris_name = _choice(rng, iris_names, [2.0, 1.0 + 0.5 * tone, light, light, 1.6 * light, light])
    tone01 = tone / 7.0
    redder = np.array([0.66, 0.26, 0.28]) * (1.0 - 0.35 * tone01)
    amount = 0.40 + 0.22 * tone01
    if female and rng.random() < 0.45:  # lipstick
        redder = np.array([0.70, 0.16, 0.22]) * rng.uniform(0.75, 1.05, 3)
        amount = rng.uniform(0.55, 0.85)
    lip = (1 - amount) * skin + amount * redder
    cloth, cloth2 = _CLOTHES[rng.integers(len(_CLOTHES), size=2)] * rng.uniform(0.8, 1.15, (2, 1))

    hair_shape = _sample_hair(rng, female, tone > 4.5 and rng.random() < 0.75, age)
    beard = hair_shape.beard
    stubble = {"none": 0.15, "stubble": 0.75, "full": 0.9}.get(beard, 0.45)
    traits = {
        "pupil": rng.uniform(0.19, 0.28),
        "brow_thickness": around(0.31 - 0.08 * f, 0.05),
        "brow_density": float(np.clip(rng.normal(0.85, 0.12), 0.5, 1.0)),
        "brow_tint": brow_tint,
        "grey_hair": grey_hair,
        "flush": rng.uniform(0.3, 1.2) * (1.0 - 0.4 * tone01),
        "mottle": rng.uniform(0.4, 1.2),
        "freckles": float(rng.uniform(0.3, 1.0) * (rng.random() < 0.3 * light + 0.05)),
        "stubble": 0.0 if female else stubble * rng.uniform(0.6, 1.0),
        "age": age,
        "shine": rng.uniform(0.5, 1.3),
        "liner": float(f * rng.uniform(0.2, 1.0)),
    }
    iris = np.array(_IRISES[iris_name]) * rng.uniform(0.8, 1.2)
    colours = {"skin": skin, "lip": lip, "hair": hair, "brow": hair * 0.72 * brow_tint**0.45,
               "iris": iris, "cloth": cloth, "cloth2": cloth2}  # fmt: skip
    palette = {name: linear(colour) for name, colour in colours.items()}
    frames = [(0.03, 0.03, 0.035), (0.10, 0.05, 0.03), (0.30, 0.28, 0.26), (0.12, 0.03, 0.04)]
    glasses = Glasses(
        thickness=float(rng.uniform(0.10, 0.26) * (rng.random() < 0.16)),
        half_height=float(rng.uniform(1.45, 1.95)),
        squareness=float(rng.uniform(2.0, 4.5)),
        colour=frames[rng.integers(len(frames))],
    )
    return Person(shape, hair_shape, palette, traits, glasses, female)


def sample_look(person, rng):
    """`Look` of a clip: the person's colours under a light drawn with `rng`."""
    shape, traits, palette = person.shape, person.traits, person.palette
    azimuth, elevation = rng.uniform(-1.1, 1.1), rng.uniform(0.25, 1.0)
    light = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation),
                      np.cos(azimuth) * np.cos(elevation)])  # fmt: skip
    warmth = rng.normal(0.0, 0.06)
    key = rng.uniform(0.75, 1.15) * np.array([1.0 + warmth, 1.0, 1.0 - 1.3 * warmth])
    ambient = rng.uniform(0.42, 0.72) * np.array([1.0 - 0.5 * warmth, 1.0, 1.0 + 0.6 * warmth])

    def t(values):
        return tuple(float(v) for v in values)

    return Look(
        skin=t(palette["skin"]), lip=t(palette["lip"]), hair=t(palette["hair"]),
        brow=t(palette["brow"]), iris=t(palette["iris"]), cloth=t(palette["cloth"]),
        cloth2=t(palette["cloth2"]), key=t(key), sky=t(ambient), ground=t(0.62 * ambient),
        light=t(light),
        eye=t((shape.eye_x, shape.eye_y, shape.eye_half_width, shape.eye_open, shape.eye_tilt)),
        pupil=float(traits["pupil"]),
        brow_line=t((shape.brow_y, shape.brow_arch, traits["brow_thickness"],
                     traits["brow_density"])),
        mouth=t((shape.mouth_y, shape.mouth_half_width, shape.upper_lip, shape.lower_lip,
                 shape.bow)),
        nose=t((-1.9 - 0.9 * (shape.nose_length - 1.0), shape.nose_width)),
        flush=float(traits["flush"]), mottle=float(traits["mottle"]),
        freckles=float(traits["freckles"]), stubble=float(traits["stubble"]),
        age=float(traits["age"]), shine=float(traits["shine"]), liner=float(traits["liner"]),
        collar=t((rng.integers(4), rng.uniform(0.0, 1.0))), weave=float(rng.integers(4)),
        seed=float(rng.uniform(0.0, 100.0)),
    )  # fmt: skip
