"""How expression moves the head: features of the 64 parameters, and what each does to the mesh."""

import numpy as np

from .expression import INDEX
from .shape import gauss, smoothstep

FEATURES = (
    "jaw upper_lip lower_lip wide round press tuck smile smile_side corner_down jaw_side puff "
    "brow_inner brow_outer brow_lower brow_side squint wrinkle"
).split()


def features(expression):
    """Feature values [.., K] of expression parameters [.., 64]."""
    e = {name: expression[..., index] for name, index in INDEX.items()}
    free = 1.0 - e["lip_press"]
    values = {
        "jaw": e["jaw_open"],
        "upper_lip": (0.22 * e["jaw_open"] + 0.34 * e["upper_lip_raise"]) * free,
        "lower_lip": 0.40 * e["lower_lip_drop"] * free - 0.77 * e["jaw_open"] * e["lip_press"],
        "wide": e["lip_wide"],
        "round": e["lip_round"],
        "press": e["lip_press"],
        "tuck": e["lip_tuck"],
        "smile": e["smile"],
        "smile_side": e["smile"] * e["smile_side"],
        "corner_down": e["corner_down"],
        "jaw_side": e["jaw_side"],
        "puff": e["cheek_puff"],
        "brow_inner": e["brow_inner"],
        "brow_outer": e["brow_outer"],
        "brow_lower": e["brow_lower"],
        "brow_side": e["brow_side"],
        "squint": e["squint"],
        "wrinkle": e["nose_wrinkle"],
    }
    return np.stack([values[name] for name in FEATURES], axis=-1)


def fields_of(shape, points, lower):
    """Displacement [K, N, 3] per unit of each feature, for points with a side of the mouth."""
    s = shape
    x, y, z = points.T
    ax, sign = np.abs(x), np.sign(x)
    my, half = s.mouth_y, s.mouth_half_width
    front = smoothstep(-1.0, 2.0, z)
    fields = {name: np.zeros((len(points), 3)) for name in FEATURES}
    t = np.clip(ax / half, 0.0, 1.0)
    open_profile = (1.0 - t**2.2) ** 0.62
    depth = my - y
    base = 0.42 * smoothstep(-1.6, 0.0, depth) + 0.58 * smoothstep(0.0, 1.5, depth)
    near = np.exp(-((depth / 0.9) ** 2))
    jaw = base + open_profile * near * np.where(lower, 1.0 - base, -base)
    lever = np.clip((z + 2.0) / 7.5, 0.0, 1.2) * front
    fields["jaw"][:, 1] = -0.80 * jaw * lever
    fields["jaw"][:, 2] = -0.22 * jaw * front
    fields["jaw"][:, 0] = -0.05 * sign * gauss(ax, y, 4.0, my, 2.0, 2.5)
    fields["jaw_side"][:, 0] = jaw * lever
    reach_up, reach_down = np.exp(-((depth / 1.25) ** 2)), np.exp(-((depth / 1.1) ** 2))
    fields["upper_lip"][:, 1] = np.where(lower, 0.0, open_profile * reach_up)
    fields["upper_lip"][:, 2] = np.where(lower, 0.0, 0.12 * open_profile * reach_up)
    fields["lower_lip"][:, 1] = np.where(lower, -open_profile * reach_down, 0.0)
    fields["lower_lip"][:, 2] = np.where(lower, -0.10 * open_profile * reach_down, 0.0)
    around = np.exp(-((np.maximum(ax - half, 0.0) / 1.3) ** 2) - (depth / 1.5) ** 2) * front
    fields["wide"][:, 0] = 0.16 * x * around
    fields["wide"][:, 2] = -0.16 * around * t**2
    fields["round"][:, 0] = -0.36 * x * around
    fields["round"][:, 2] = 0.60 * np.exp(-((ax / 1.9) ** 2) - (depth / 1.2) ** 2)
    lips = np.exp(-((np.maximum(ax - half, 0.0) / 0.8) ** 2) - (depth / 0.9) ** 2) * front
    fields["press"][:, 1] = -0.30 * (y - my) * lips
    fields["press"][:, 2] = -0.16 * np.exp(-((depth / 0.5) ** 2)) * open_profile
    tuck = np.where(lower, open_profile * np.exp(-((depth / 0.8) ** 2)), 0.0)
    fields["tuck"][:, 1], fields["tuck"][:, 2] = 0.10 * tuck, -0.34 * tuck
    corner = gauss(ax, y, half, my, 1.35, 1.15) * front
    apple = gauss(ax, y, 3.9, -0.4, 1.6, 1.3) * front
    smile = np.stack([sign * (0.42 * corner + 0.08 * apple), 0.52 * corner + 0.32 * apple,
                      -0.22 * corner + 0.34 * apple], axis=1)  # fmt: skip
    fields["smile"] = smile
    fields["smile_side"] = smile * sign[:, None] * smoothstep(0.0, 1.2, ax)[:, None]
    fields["corner_down"][:, 1] = -0.50 * corner
    fields["corner_down"][:, 0] = 0.06 * sign * corner
    puff = gauss(ax, y, 4.2, my + 0.4, 1.8, 1.7) * front
    fields["puff"][:, 2], fields["puff"][:, 0] = 0.5 * puff, 0.35 * sign * puff
    by = s.eye_y + s.brow_y
    lid_guard = smoothstep(s.eye_y + 0.45, s.eye_y + 1.2, y)
    inner = gauss(ax, y, 1.2, by + 0.3, 1.5, 1.5) * lid_guard * front
    outer = gauss(ax, y, 4.1, by + 0.3, 1.7, 1.5) * lid_guard * front
    fields["brow_inner"][:, 1] = 0.62 * inner
    fields["brow_outer"][:, 1] = 0.55 * outer
    fields["brow_side"][:, 1] = 0.5 * (outer + 0.4 * inner) * sign
    fields["brow_lower"][:, 1] = -0.48 * inner - 0.22 * outer
    fields["brow_lower"][:, 0] = -0.28 * sign * inner * smoothstep(0.0, 0.8, ax)
    fields["brow_lower"][:, 2] = 0.14 * inner
    under = gauss(ax, y, 3.3, s.eye_y - 1.5, 1.8, 0.7) * front
    fields["squint"][:, 1], fields["squint"][:, 2] = 0.18 * under, 0.10 * under
    wing = gauss(ax, y, 1.3, -1.3, 0.8, 0.9) * front
    fields["wrinkle"][:, 1] = 0.22 * wing + np.where(lower, 0.0, 0.22 * open_profile * reach_up)
    fields["wrinkle"][:, 0] = 0.06 * sign * wing
    return np.stack([fields[name] for name in FEATURES])
