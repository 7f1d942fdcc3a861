"""Compiled painters: skin with lips and brows, eyes, inner mouth, clothes.

All edges are painted in the neutral head's coordinates, so they move with the mesh, and are blended
over about one pixel (`cover`), which keeps them smooth at every resolution. Eyeballs and the inner
mouth are traced along the camera's ray behind the surface.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from .noise import bell, cover, mix3, mul3, sample, step
from .shape import EYE_RADIUS


class Moment(NamedTuple):
    """What the painters need to know of one frame: expression parameters, and in the head's frame
    the normal that mirrors the key light into the camera (x, y) and the front of the teeth (z)."""

    blink_left: float
    blink_right: float
    eye_wide: float
    squint: float
    gaze_yaw: float
    gaze_pitch: float
    jaw_open: float
    smile: float
    brow_raise: float
    brow_lower: float
    nose_wrinkle: float
    mirror_x: float
    mirror_y: float
    teeth_z: float
    tongue_up: float


@njit
def lids(look, x, moment):
    """(t, upper, lower) of the eye at x: position along it, heights of the lids over its centre."""
    eye = look.eye
    t = (abs(x) - eye[0]) / eye[2]
    arch = max(0.0, 1.0 - t * t)
    tilt = eye[4] * t
    top = eye[3] * (1.0 + 0.38 * moment.eye_wide) * 1.02 * arch**0.72 * (1.0 - 0.10 * t)
    low = -eye[3] * 0.68 * arch**0.85 * (1.0 + 0.12 * t) + 0.22 * moment.squint * arch
    blink = moment.blink_left if x < 0 else moment.blink_right
    top = top - 0.10 * moment.squint * arch
    top = top + blink * (low + 0.02 - top)
    return t, tilt + max(top, low + 0.01), tilt + low


@njit(cache=True)
def set_lids(moved, first, look, moment):
    """Puts the landmarks of the lids (first = index of landmark 0 in moved [V, 3]) where `lids`
    draws them."""
    for i, upper in ((37, 1), (38, 1), (40, 0), (41, 0), (43, 1), (44, 1), (46, 0), (47, 0)):
        _, top, low = lids(look, moved[first + i, 0], moment)
        moved[first + i, 1] = look.eye[1] + (top if upper else low)


@njit
def skin_albedo(look, noise, x, y, z, px, scalp, moment):
    """(albedo, gloss, occlusion) of skin at neutral coordinates."""
    ax = abs(x)
    clouds = sample(noise, 9.0 * x + 7.0 * z + look.seed * 11, 9.0 * y - 5.0 * z, 0)
    fine = min(1.0, 0.03 / px)  # details below a pixel fade out
    grain = sample(noise, 26.0 * x + 17.0 * z, 26.0 * y + 9.0 * z + look.seed * 7, 1) * fine
    colour = look.skin
    base, wings = look.nose
    my, mouth_half, upper_lip, lower_lip, bow = look.mouth
    # Blood: cheeks, nose, chin, ears, and clouds of it everywhere.
    flush = 0.75 * bell(ax, y, 4.3, -0.8, 1.9, 1.5) + 0.8 * bell(ax, y, 0.0, base + 1.0, 1.0, 0.9)
    flush += 0.35 * bell(ax, y, 0.0, my - 3.4, 1.3, 1.0) + 0.5 * step(6.6, 7.4, ax) * step(4, 2, y)
    flush = look.flush * (flush + 0.15) + 0.28 * look.mottle * clouds
    colour = mul3(colour, 1.0 + 0.10 * flush, 1.0 - 0.16 * flush, 1.0 - 0.14 * flush)
    tone = 1.0 + look.mottle * (0.09 * clouds + 0.06 * grain)
    # Around the eyes the skin is thin and dark.
    ex, ey = look.eye[0], look.eye[1]
    rings = bell(ax, y, ex - 0.3, ey - 1.05, 1.25, 0.42) * (0.10 + 0.20 * look.age)
    rings += bell(ax, y, ex, ey + 0.75, 1.7, 0.55) * (0.10 + 0.18 * look.liner)
    tone *= 1.0 - rings
    spots = sample(noise, 13.0 * x, 13.0 * y + 90.0, 1) + 0.35 * clouds
    area = bell(ax, y, 2.8, 0.2, 3.2, 2.2) + 0.3
    spots = 0.7 * look.freckles * step(0.6, 1.0, spots) * area
    colour = mul3(colour, 1.0 - 0.34 * spots, 1.0 - 0.44 * spots, 1.0 - 0.48 * spots)
    # Stubble.
    jaw = step(my + 1.6 + 0.25 * ax, my + 0.4 + 0.25 * ax, y) * step(-2.2, 0.2, z)
    jaw = max(jaw, bell(ax, y, 0.9, 0.55 * (my + upper_lip) + 0.45 * base, 1.8, 0.5))
    jaw *= 1.0 - bell(ax, y, 0.0, my - 0.2, mouth_half * 0.9, 1.0) * 0.6
    beard = look.stubble * jaw * (0.45 + 0.35 * grain + 0.12 * clouds)
    beard = min(0.85, max(0.0, beard))
    dark = mix3(mul3(colour, 0.42, 0.45, 0.52), look.hair, 0.35)
    colour = mix3(colour, dark, beard)
    # Lines of age, smiles and raised brows.
    occlusion = 1.0
    fold = abs(ax - (wings * 1.25 + 0.30 * (base + 0.8 - y) + 0.02 * (base - y) ** 2))
    fold = np.exp(-((fold / 0.16) ** 2)) * step(my - 0.6, my + 0.5, y) * step(base + 1.0, base, y)
    smile = moment.smile
    occlusion *= 1.0 - fold * (0.05 + 0.32 * look.age + 0.22 * smile)
    raised = max(0.0, moment.brow_raise)
    wave = np.sin(6.6 * (y + 0.10 * x * np.sin(2.3 * x + look.seed) + 0.25 * clouds))
    lines = step(0.72, 1.0, wave) * bell(ax, y, 0.0, ey + 3.9, 3.4, 1.1)
    occlusion *= 1.0 - lines * min(0.36, 0.45 * max(0.0, look.age - 0.3) + 0.20 * raised)
    frown = np.exp(-(((ax - 0.42) / 0.11) ** 2)) * bell(0.0, y, 0.0, ey + 1.5, 1.0, 0.75)
    occlusion *= 1.0 - frown * min(0.4, 0.35 * max(0.0, moment.brow_lower) + 0.1 * look.age)
    crow = abs(np.sin(5.0 * (y - ey) + 0.8 * (ax - ex)))
    crow = step(0.35, 0.0, crow) * bell(ax, y, ex + 2.15, ey - 0.1, 0.55, 0.75)
    occlusion *= 1.0 - crow * (0.25 * look.age + 0.15 * max(smile, moment.nose_wrinkle))
    gloss = 0.6 + 0.5 * bell(ax, y, 0.0, 3.0, 1.6, 5.0) + 0.25 * grain
    # Nostrils, and the shadow under the nose.
    hole = np.sqrt(((ax - 0.58 * wings) / 0.36) ** 2 + ((y - base - 0.02 - 0.1 * ax) / 0.17) ** 2)
    hole = cover((hole - 1.0) * 0.2, max(px, 0.05))
    occlusion *= 1.0 - 0.18 * bell(ax, y, 0.0, base - 0.18, 1.2 * wings, 0.28)
    crease = np.hypot((ax - 1.18 * wings) / 0.62, (y - base - 0.6) / 0.66) - 1.0
    crease = np.exp(-((crease / 0.16) ** 2)) * step(1.2 * wings, 1.6 * wings, ax)
    occlusion *= 1.0 - 0.22 * crease
    colour = mix3(colour, (0.045, 0.018, 0.014), 0.88 * hole)
    # Lips.
    t = min(1.0, ax / mouth_half)
    if y >= my:
        border = upper_lip * (1.0 - t**1.9) * (1.0 - 0.24 * bow * np.exp(-((t / 0.2) ** 2)))
        outside = (y - my) - border
        inside = (y - my) / max(0.05, border)
    else:
        border = lower_lip * (1.0 - t**2.3)
        outside = (my - y) - border
        inside = (my - y) / max(0.05, border)
    if outside < 0.3 and ax < mouth_half + 0.2:
        slope = 0.75 + 0.25 * (1.0 - t)
        lip = cover(outside * slope - 0.02, max(px, 0.09)) * cover(ax - mouth_half, px)
        grooves = sample(noise, 34.0 * x, 6.0 * y + 30.0, 1) * fine
        shade = (0.78 if y >= my else 1.0) * (1.0 + 0.10 * grooves)
        shade *= 0.62 + 0.38 * step(0.0, 0.30, inside)
        colour = mix3(colour, mul3(look.lip, shade, shade, shade), 0.92 * lip)
        gloss += lip * (0.9 if y < my else 0.3)
    seam = np.exp(-(((y - my) / 0.075) ** 2)) * step(mouth_half + 0.22, mouth_half - 0.1, ax)
    occlusion *= 1.0 - 0.65 * seam * step(-1.0, 1.0, z)
    corner = bell(ax, y, mouth_half + 0.05, my, 0.22, 0.16)
    occlusion *= 1.0 - 0.35 * corner
    occlusion *= 1.0 - 0.22 * bell(ax, y, 0.0, my - lower_lip - 0.38, 1.3, 0.3)
    # Brows: tapering, with hairs that lean outwards.
    bt = (ax - 1.0) / 4.3
    if -0.2 < bt < 1.2 and z > 0:
        line = ey + look.brow_line[0] - 0.12
        line += 0.35 * look.brow_line[1] * (1.0 - ((bt - 0.62) / 0.62) ** 2)
        thick = look.brow_line[2] * (1.0 - 0.55 * step(0.35, 1.0, bt)) * step(-0.16, 0.12, bt)
        hairs = sample(noise, 30.0 * (y - 0.9 * ax), 14.0 * (ax + 0.6 * y), 2)
        away = abs(y - line) - thick * (1.0 + 0.45 * hairs)
        ends = step(-0.10, 0.06, bt + 0.05 * hairs) * step(1.06, 0.85, bt + 0.05 * hairs)
        brow = cover(away, max(px, 0.16)) * ends * look.brow_line[3] * (0.52 + 0.25 * hairs)
        colour = mix3(colour, look.brow, min(1.0, max(0.0, brow)))
        gloss *= 1.0 - 0.7 * min(1.0, max(0.0, brow))
    # Roots of the hair.
    if scalp > -0.8:
        ragged = 0.35 * clouds + 0.22 * grain
        roots = step(-0.30, 0.55, scalp + ragged)
        colour = mix3(colour, mul3(look.hair, 0.35, 0.35, 0.35), 0.96 * roots)
        gloss *= 1.0 - 0.8 * roots
    return mul3(colour, tone, tone, tone), gloss, occlusion


@njit
def eye_colour(look, noise, x, y, px, origin, ray, moment, eyes):
    """(coverage, colour, wetness): the eyeball behind (x, y), traced in the head's frame."""
    t, top, low = lids(look, x, moment)
    height = y - look.eye[1]
    away = max(height - top, low - height)
    coverage = cover(away * 0.92, px) * cover((abs(t) - 1.0) * look.eye[2], px)
    if coverage <= 0.0:
        return 0.0, (0.0, 0.0, 0.0), 0.0
    side = 0 if x < 0 else 1
    ox, oy, oz = origin[0] - eyes[side, 0], origin[1] - eyes[side, 1], origin[2] - eyes[side, 2]
    b = ox * ray[0] + oy * ray[1] + oz * ray[2]
    disc = b * b - (ox * ox + oy * oy + oz * oz - EYE_RADIUS * EYE_RADIUS)
    distance = -b - np.sqrt(max(0.0, disc))
    qx = (ox + distance * ray[0]) / EYE_RADIUS
    qy = (oy + distance * ray[1]) / EYE_RADIUS
    qz = (oz + distance * ray[2]) / EYE_RADIUS
    yaw, pitch = moment.gaze_yaw, moment.gaze_pitch
    gx, gy, gz = np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)
    dx, dy, dz = qx - gx, qy - gy, qz - gz
    radius = EYE_RADIUS * np.sqrt(dx * dx + dy * dy + dz * dz)
    # White of the eye: shaded by its roundness, red towards the corners.
    shade = 0.72 + 0.28 * step(0.55, 0.98, qz)
    pink = step(0.55, 1.0, abs(t))
    colour = (0.74 * shade, (0.70 - 0.13 * pink) * shade, (0.67 - 0.15 * pink) * shade)
    iris_radius = 0.60
    iris = cover(radius - iris_radius, max(px, 0.05))
    if iris > 0.0:
        spin = np.arctan2(dy, dx)
        fibres = sample(noise, 14.0 * spin, 9.0 * radius + 40.0 * side, 1)
        inner = 1.0 + 0.30 * fibres + 0.35 * step(0.45, 0.22, radius)
        inner *= 1.0 - 0.62 * step(0.44, 0.60, radius)
        tint = mul3(look.iris, inner, inner, inner)
        tint = mix3(tint, (0.006, 0.005, 0.005), cover(radius - look.pupil, max(px, 0.03)))
        colour = mix3(colour, tint, iris)
    caruncle = bell(t, 0.0, -1.0, 0.0, 0.14, 1.0)
    colour = mix3(colour, (0.55, 0.26, 0.22), 0.8 * caruncle)
    # Shadow of the upper lid and its lashes.
    shadow = 0.45 + 0.55 * step(0.0, 0.34, top - height)
    colour = mul3(colour, shadow, shadow, shadow)
    glint = (qx - 0.5 * moment.mirror_x) ** 2 + (qy - 0.5 * moment.mirror_y) ** 2
    wet = np.exp(-glint / 0.010) * step(0.02, 0.12, top - height)
    return coverage, colour, wet


@njit
def paint_eye(look, noise, colour, x, y, px, origin, ray, moment, eyes):
    """Lids, lashes and eyeball over skin of `colour`.

    Returns (colour, factor of the light on it, coverage of the eyeball, glint).
    """
    t, top, low = lids(look, x, moment)
    h = y - look.eye[1]
    if abs(t) >= 1.35:
        return colour, 1.0, 0.0, 0.0
    ends = step(1.25, 0.95, abs(t))
    # Fold of the upper lid, which flattens as it closes, and the pouch under the lower one.
    fold = np.exp(-(((h - top - 0.26 - 0.08 * t) / 0.085) ** 2))
    opened = min(1.0, max(0.0, (top - low) / 0.5))
    light = 1.0 - 0.42 * ends * fold * (0.4 + 0.6 * opened)
    pouch = np.exp(-(((h - low + 0.42) / 0.16) ** 2)) * (0.10 + 0.16 * look.age)
    light *= 1.0 - ends * pouch
    ball, inner, wet = eye_colour(look, noise, x, y, px, origin, ray, moment, eyes)
    colour = mix3(colour, inner, ball)
    # Lashes: a dark line, with make-up thicker towards the temples; without it blinks are hard to
    # see. A fine one below.
    wing = 1.0 + 0.9 * look.liner * step(0.3, 1.0, t)
    lash = cover(abs(h - top - 0.01) - (0.055 + 0.035 * look.liner) * wing, max(px, 0.035))
    lash *= 0.90 * step(1.12, 0.98, abs(t))
    fine = cover(abs(h - low) - 0.015, max(px, 0.04))
    fine *= step(1.05, 0.9, abs(t)) * (0.35 + 0.3 * look.liner)
    lash = max(lash, fine)
    return mix3(colour, (0.012, 0.009, 0.008), lash), light, max(ball, lash), wet * ball


@njit
def mouth_colour(look, px, origin, ray, surface_z, moment):
    """Colour inside the mouth along a ray in the head's frame that enters at `surface_z`."""
    my = look.mouth[0]
    jaw = moment.jaw_open
    # Teeth stand on an arch of radius 2.7, its front 0.75 behind the surface of the lips.
    front = moment.teeth_z
    radius = 2.7
    cz = front - radius
    ox, oz = origin[0], origin[2] - cz
    a = ray[0] * ray[0] + ray[2] * ray[2]
    b = ox * ray[0] + oz * ray[2]
    disc = b * b - a * (ox * ox + oz * oz - radius * radius)
    colour = (0.018, 0.005, 0.005)
    if disc > 0.0:
        distance = (-b - np.sqrt(disc)) / a
        x = origin[0] + distance * ray[0]
        y = origin[1] + distance * ray[1]
        angle = np.arcsin(min(1.0, max(-1.0, x / radius)))
        arc = abs(angle) * radius
        tooth = arc / 0.78
        gap = abs(tooth - np.round(tooth))
        edge_wave = 0.025 * np.cos(2.0 * np.pi * (tooth - 0.5))
        dim = step(2.9, 0.8, arc)
        # Tongue: a dark red mound on the jaw, higher for d, l, n, t and th.
        tongue_top = my - 0.62 - 0.80 * jaw + 0.55 * moment.tongue_up - 0.10 * x * x
        tongue = cover(y - tongue_top, max(px, 0.12)) * step(1.9, 1.3, abs(x))
        colour = mix3(colour, (0.13, 0.028, 0.028), tongue * (0.5 + 0.5 * step(1.6, 0.2, abs(x))))
        low_edge = my - 0.30 - 0.80 * jaw + edge_wave
        lower = cover(y - low_edge, px) * cover(low_edge - 0.75 - y, px) * step(0.25, 0.6, jaw)
        colour = mix3(colour, (0.30 * dim, 0.27 * dim, 0.23 * dim), lower * (0.55 + 0.45 * dim))
        top_edge = my - 0.02 + edge_wave
        upper = cover(top_edge - y, px)
        lit = (0.62 + 0.12 * step(0.0, 0.5, top_edge - y + 0.5)) * (0.25 + 0.75 * dim)
        lit *= 1.0 - 0.35 * step(0.10, 0.0, gap) * min(1.0, 0.06 / px)
        lit *= 1.0 - 0.25 * step(0.25, 0.7, y - my)
        colour = mix3(colour, (lit, 0.94 * lit, 0.84 * lit), upper * step(2.7, 2.2, arc))
    return colour


@njit
def cloth_colour(look, noise, x, y, z, px, shade):
    """(is cloth, albedo) of the torso at neutral coordinates."""
    kind, deep = look.collar
    ax = abs(x)
    clouds = sample(noise, 6.0 * x + 30.0, 6.0 * y + look.seed, 0)
    neckline = -12.4 - 0.5 * deep + 0.10 * max(0.0, z + 3.0) * -2.2
    if kind == 1.0 and z > -2.0:  # V
        neckline -= max(0.0, 4.2 - 0.95 * ax) * (0.6 + 0.9 * deep)
    elif kind == 2.0 and z > -2.0:  # open shirt
        neckline -= max(0.0, 2.4 - 1.1 * ax)
    elif kind == 3.0:  # wide
        neckline -= 1.6 + 0.8 * deep
    away = y - neckline
    inside = cover(away, max(px, 0.06))
    fold = 1.0 + 0.16 * clouds + 0.05 * np.sin(1.3 * x + 2.0 * clouds)
    colour = look.cloth
    if look.weave == 1.0:
        stripe = step(0.3, 0.5, abs((y * 0.55) - np.floor(y * 0.55) - 0.5) * 2.0)
        colour = mix3(look.cloth, look.cloth2, 0.8 * stripe)
    elif look.weave == 2.0:
        rib = 0.5 + 0.5 * np.sin(9.0 * ax)
        fold *= 1.0 - 0.14 * rib * min(1.0, 0.12 / px)
    hem = np.exp(-(((away + 0.45) / 0.10) ** 2)) * 0.25 + np.exp(-((away / 0.14) ** 2)) * 0.45
    if kind == 2.0:  # collar of a shirt, and a jacket over it
        collar = cover(abs(away + 1.1) - 1.1, px)
        colour = mix3(colour, look.cloth2, collar)
        hem += 0.3 * np.exp(-(((away + 2.2) / 0.14) ** 2))
    fold *= 1.0 - min(0.7, hem)
    return inside, mul3(colour, fold, fold, fold)
