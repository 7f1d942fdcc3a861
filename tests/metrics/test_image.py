"""Image metrics against float64 references in SciPy and loops, and where the value is known.

`tests.test_parity` holds them to the values of public tools.
"""

import functools

import jax
import numpy as np
import pytest
from scipy import ndimage

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import cpbd as cpbd_module
from jaxtalk.metrics.cpbd import cpbd
from jaxtalk.metrics.image import gray, psnr
from jaxtalk.metrics.protocols import FULL_REFERENCE, NO_REFERENCE
from jaxtalk.metrics.ssim import SCALE_WEIGHTS, ms_ssim, ssim_gauss11, ssim_uniform7

SHAPE = (3, 163, 176, 3)  # odd, at two scales of MS-SSIM; blocks of CPBD do not cover it
C1, C2 = 6.5025, 58.5225


@pytest.fixture(scope="module")
def real():
    """Blobs of many sizes, in part of low contrast, in part flat."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal(SHAPE)
    image = sum(ndimage.gaussian_filter(image, (0, s, s, 0)) * s**1.5 for s in (0.7, 2, 8))
    image[:, 64:128, :64] = 0.08 * image[:, 64:128, :64] + 1.5
    image[:, 70:120, 70:120] = -1.0
    return np.clip(128 + 40 * image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fake(real):
    """Each frame worse than the one before it; one is brighter, too."""
    noise = np.random.default_rng(1).standard_normal(SHAPE)
    blurred = [ndimage.gaussian_filter(x, (s, s, 0)) for x, s in zip(real.astype(float), (0, 1, 3))]
    noisy = np.stack(blurred) + noise * np.array([2, 8, 20])[:, None, None, None]
    noisy[1] += 20
    return np.clip(noisy, 0, 255).astype(np.uint8)


def similarities(x, y, window_mean, margin, correction=1.0):
    """SSIM and its second factor of a channel by their definition."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    ux, uy = window_mean(x), window_mean(y)
    vx = correction * (window_mean(x * x) - ux * ux)
    vy = correction * (window_mean(y * y) - uy * uy)
    vxy = correction * (window_mean(x * y) - ux * uy)
    structure = (2 * vxy + C2) / (vx + vy + C2)
    ssim = structure * (2 * ux * uy + C1) / (ux**2 + uy**2 + C1)
    inside = (slice(margin, -margin),) * 2
    return ssim[inside].mean(), structure[inside].mean()


uniform = functools.partial(
    similarities,
    window_mean=functools.partial(ndimage.uniform_filter, size=7),
    margin=3,
    correction=49 / 48,
)
gaussian = functools.partial(
    similarities,
    window_mean=functools.partial(ndimage.gaussian_filter, sigma=1.5, truncate=3.5),
    margin=5,
)


def over_channels(function, fake, real):
    channels = range(fake.shape[-1])
    return [np.mean([function(x[..., c], y[..., c]) for c in channels]) for x, y in zip(fake, real)]


def halved(x):
    """Means of 2 x 2 pixels; a size that is odd gets black ones in front."""
    x = np.pad(x, [(size % 2, 0) for size in x.shape])
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def multi_scale(x, y):
    x, y, product = x.astype(np.float64), y.astype(np.float64), 1.0
    for weight in SCALE_WEIGHTS[:-1]:
        product *= max(gaussian(x, y)[1], 0) ** weight
        x, y = halved(x), halved(y)
    return product * max(gaussian(x, y)[0], 0) ** SCALE_WEIGHTS[-1]


def test_psnr(fake, real):
    error = np.square(fake.astype(np.float64) - real).mean((1, 2, 3))
    np.testing.assert_allclose(psnr(fake, real), 10 * np.log10(255**2 / error), rtol=1e-6)


def test_psnr_of_known_errors():
    black = np.zeros((2, 8, 8, 3), np.uint8)
    np.testing.assert_allclose(psnr(black + np.uint8(1), black), 20 * np.log10(255), rtol=1e-6)
    np.testing.assert_allclose(psnr(black + np.uint8(255), black), 0, atol=1e-5)
    np.testing.assert_array_equal(psnr(black, black), np.inf)


def test_psnr_of_a_large_image_does_not_overflow():
    black = np.zeros((1, 2, 12000, 3), np.uint8)
    np.testing.assert_allclose(psnr(black + np.uint8(255), black), 0, atol=1e-5)


def test_ssim_uniform(fake, real):
    expected = over_channels(lambda x, y: uniform(x, y)[0], fake, real)
    np.testing.assert_allclose(ssim_uniform7(fake, real), expected, rtol=2e-6)


def test_ssim_gaussian(fake, real):
    expected = over_channels(lambda x, y: gaussian(x, y)[0], fake, real)
    np.testing.assert_allclose(ssim_gauss11(fake, real), expected, rtol=2e-6)


def test_ms_ssim(fake, real):
    expected = over_channels(multi_scale, fake, real)
    np.testing.assert_allclose(ms_ssim(fake, real), expected, rtol=5e-6)


def test_ms_ssim_counts_a_negative_scale_as_zero():
    chequers = np.indices((1, 200, 161, 1)).sum(0) % 2 * 255
    assert ms_ssim(chequers.astype(np.uint8), (255 - chequers).astype(np.uint8)) == 0


@pytest.mark.parametrize("levels", [(0, 255), (250, 253), (17, 17)])
def test_ssim_of_flat_images(levels):
    """Windows without variance: the luminance term alone, also where float32 squares are coarse."""
    x, y = levels
    expected = (2 * x * y + C1) / (x * x + y * y + C1)
    for ssim in (ssim_uniform7, ssim_gauss11):
        found = ssim(np.full((1, 16, 16, 3), x, np.uint8), np.full((1, 16, 16, 3), y, np.uint8))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_gray():
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
    rgb[0, 0, :4] = [[0, 0, 0], [255, 255, 255], [0, 0, 250], [250, 0, 250]]  # two ties
    found = np.asarray(gray(rgb))
    exact = rgb.astype(np.int64) @ [299, 587, 114]
    assert found.dtype == np.uint8 and found.shape == (2, 64, 64, 1)
    assert np.abs(1000 * found[..., 0].astype(int) - exact).max() == 500
    assert found[0, 0, :4, 0].tolist() == [0, 255, 28, 103]  # 28.5, 103.25
    np.testing.assert_array_equal(gray(found), found)
    for protocol in ("ssim/uniform7", "ssim/gauss11"):
        value = FULL_REFERENCE[f"{protocol}/gray"](rgb, rgb[::-1])
        np.testing.assert_array_equal(value, FULL_REFERENCE[protocol](found, found[::-1]))


def local_maxima(y, x, magnitude):
    """Canny's thinning: compare with the magnitude interpolated on either side, a pixel away."""
    gradient = np.stack([y, x]) / np.maximum(np.maximum(np.abs(y), np.abs(x)), 1e-9)
    here = np.indices(y.shape)
    sides = [ndimage.map_coordinates(magnitude, here + s * gradient, order=1) for s in (-1, 1)]
    maxima = (np.maximum(*sides) <= magnitude + 1e-9) & (magnitude >= 0.1)
    return np.pad(maxima[1:-1, 1:-1], 1)


def connected(weak, strong):
    """Weak edges that touch strong ones, if over others."""
    labels, _ = ndimage.label(weak, np.ones((3, 3)))
    return np.isin(labels, np.unique(labels[strong & weak])) & weak


def canny(image):
    ones = ndimage.gaussian_filter(np.ones(image.shape), 1, mode="constant")
    smooth = ndimage.gaussian_filter(image, 1, mode="constant") / ones
    y, x = (ndimage.sobel(smooth, axis) for axis in (0, 1))
    magnitude = np.hypot(y, x)
    maxima = local_maxima(y, x, magnitude)
    return connected(maxima, maxima & (magnitude >= 0.2))


def octave_edges(image):
    strength = np.square(ndimage.sobel(image, 1) / 8)
    strength[strength <= 2 * np.sqrt(strength.mean())] = 0
    padded = np.pad(strength, 1)
    up, down, left, right = (
        padded[1 + i : 1 + i + len(image), 1 + j : 1 + j + image.shape[1]]
        for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))
    )
    return ((strength > up) & (strength > down)) | ((strength > left) & (strength > right))


def edge_width(line, column, sign):
    """Of the pixels beside the edge, how far they go on rising in the direction of `sign`."""
    left, right = column - 1, column + 1
    while left > 0 and sign * (line[left] - line[left - 1]) > 0:
        left -= 1
    while right < len(line) - 1 and sign * (line[right + 1] - line[right]) > 0:
        right += 1
    return right - left


def reference_cpbd(image):
    """The definition, with the histogram of the probabilities of blur."""
    image = image.astype(np.float64)
    edge_blocks, edges = canny(image), octave_edges(image)
    y, x = np.gradient(image)
    angles = np.degrees(np.where(x == 0, 0, np.arctan2(y, x)))
    histogram = np.zeros(101)
    for top in range(0, image.shape[0] - 63, 64):
        for left in range(0, image.shape[1] - 63, 64):
            block = (slice(top, top + 64), slice(left, left + 64))
            if edge_blocks[block].sum() <= 0.002 * 64 * 64:
                continue
            just_noticeable = 5 if np.ptp(image[block]) <= 50 else 3
            for row, column in np.add(np.argwhere(edges[block]), (top, left)):
                angle = abs(angles[row, column])
                if min(row, column) == 0 or 22.5 < angle < 157.5:
                    continue
                width = edge_width(image[row], column, 1 if angle < 90 else -1)
                probability = 1 - np.exp(-((width / just_noticeable) ** 3.6))
                histogram[round(100 * probability)] += 1
    return histogram[:64].sum() / max(histogram.sum(), 1)


def test_cpbd(real, fake):
    """Blur lowers it; flat, faint and left-over parts are in the picture."""
    images = np.concatenate([real[:1], fake[1:]])
    expected = [reference_cpbd(np.asarray(gray(images))[i, ..., 0]) for i in range(3)]
    assert len(set(expected)) == 3 and 0 < min(expected) < max(expected) < 1
    np.testing.assert_allclose(cpbd(images), expected, rtol=1e-6)


def test_cpbd_of_flanks():
    """Stripes with flanks as wide as can just not be noticed, and a pixel wider."""
    for steps, sharp in (
        ([30, 90, 60], 1),
        ([25, 75, 75, 25], 0),
        ([3, 6, 12, 9, 3], 1),
        ([3, 6, 12, 12, 6, 3], 0),
    ):
        period = np.zeros(32, int)
        period[5 : 5 + len(steps)] = steps
        period[20 : 20 + len(steps)] = -np.array(steps)
        image = np.empty((1, 128, 128, 1), np.uint8)
        image[...] = 20 + np.cumsum(np.tile(period, 4))[:, None]
        assert cpbd(image) == sharp, steps
        assert cpbd(image.swapaxes(1, 2)) == 0  # only rows are looked along
    assert cpbd(np.full((1, 64, 64, 3), 77, np.uint8)) == 0


def test_edges_reach_as_far_as_weak_ones_lead():
    """A winding path of weak edges counts from its strong end on; without one, it does not."""
    path = np.zeros((3, 128, 128), bool)
    path[:, 3, 5:120] = path[:, 4:100, 120] = path[:, 100, 100:120] = True
    path[2, 50, 120] = False
    strong = np.zeros_like(path)
    strong[[0, 2], 3, 5] = True
    found = jax.vmap(cpbd_module._edge_blocks)(path, strong)
    edges = [connected(w, s).reshape(2, 64, 2, 64).sum((1, 3)) >= 9 for w, s in zip(path, strong)]
    np.testing.assert_array_equal(found, edges)
    assert np.sum(found, (1, 2)).tolist() == [3, 0, 2]


@pytest.mark.parametrize("name", [*FULL_REFERENCE, *NO_REFERENCE])
def test_a_frame_does_not_depend_on_its_neighbours(name, fake, real):
    if name in FULL_REFERENCE:
        together, alone = (FULL_REFERENCE[name](fake[i:], real[i:]) for i in (0, 2))
    else:
        together, alone = (NO_REFERENCE[name](fake[i:]) for i in (0, 2))
    assert together.shape == (3,) and together.dtype == np.float32
    np.testing.assert_allclose(alone, together[2:], rtol=1e-6)


@pytest.mark.parametrize("name", [*FULL_REFERENCE])
def test_equal_images_are_best_and_worse_ones_worse(name, fake, real):
    best = np.inf if name == "psnr" else 1
    np.testing.assert_array_equal(FULL_REFERENCE[name](real, real), best)
    values = np.asarray(FULL_REFERENCE[name](fake, real))
    assert best > values[0] > values[1] and values[0] > values[2]


@pytest.mark.parametrize("name", [*FULL_REFERENCE])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.astype(np.float32), "fake: found float32, expected uint8 in 0..255"),
        (lambda x: x.tolist(), "fake: found list, expected uint8"),
        (lambda x: x[0], r"fake: found an array of \(163, 176, 3\), expected \[B, H, W, 3\]"),
        (lambda x: x[:, :, :170], r"found fake of \(3, 163, 170, 3\) and real of \(3, 163, 176"),
        (lambda x: x[:1], r"found fake of \(1, 163, 176, 3\) and real of"),
    ],
)
def test_faults_are_told(name, change, message, fake, real):
    with pytest.raises(UserError, match=message):
        FULL_REFERENCE[name](change(fake), real)


@pytest.mark.parametrize(
    ("metric", "least"), [(ssim_uniform7, 7), (ssim_gauss11, 11), (ms_ssim, 161)]
)
def test_too_small_images_are_told(metric, least):
    image = np.zeros((1, 200, least, 1), np.uint8)
    assert metric(image, image) == 1
    with pytest.raises(UserError, match=f"found frames of 200 x {least - 1} pixels, expected at"):
        metric(image[:, :, 1:], image[:, :, 1:])


def test_cpbd_tells_faults(real):
    with pytest.raises(UserError, match="images: found frames of 63 x 176 pixels, expected at"):
        cpbd(real[:, :63])
    with pytest.raises(UserError, match="images: found int32, expected uint8"):
        cpbd(real.astype(np.int32))
