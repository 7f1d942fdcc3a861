"""Checks of the metrics against golden files; see `tests.parity_checks`."""

import numpy as np

from jaxtalk.metrics import frechet, image
from jaxtalk.metrics.protocols import FULL_REFERENCE, NO_REFERENCE
from jaxtalk.pretrained.parity import compare

# The float32 window of pytorch_msssim does not quite sum to 1, which moves its values by 6e-6.
WINDOW_NOISE = 1e-6


def check_images(arrays, meta):
    """References are float64: the noise is float32's, but for windows and ties of the luma."""
    fake, real = arrays["a_u8"], arrays["b_u8"]
    values = {name.split(" ")[0]: value for name, value in meta["values"].items()}
    for protocol, name, noise in (
        ("psnr", "psnr_u8", 1e-6),
        ("ssim/uniform7", "ssim_skimage_default_u8_rgb", 1e-7),
        ("ssim/gauss11", "ssim_skimage_gaussian_u8_rgb", 1e-7),
        ("ssim/gauss11", "ssim_pytorch_msssim", WINDOW_NOISE),
        ("ms_ssim/gauss11", "ms_ssim_pytorch_msssim", WINDOW_NOISE),
        ("ssim/uniform7/gray", "ssim_skimage_default_gray", 1e-6),
    ):
        for start in (0, 2):
            found = FULL_REFERENCE[protocol](fake[start:], real[start:])
            yield compare(f"{name} from {start}", found, values[name][start:], noise)
    for name, images in (("cpbd_a_gray_u8", fake), ("cpbd_b_gray_u8", real)):
        yield compare(name, NO_REFERENCE["cpbd/2009"](images), values[name], 1e-8)
    levels = np.asarray(image.gray(fake))[..., 0]
    yield compare("gray", levels, arrays["gray_a"], 0.15)
    yield compare("share of other levels", np.mean(levels != arrays["gray_a"]), 0.0, 1e-4)


def check_frechet(arrays, meta):
    """Of a singular covariance, the golden file's own two values differ: that is the noise."""
    second = arrays["mu2"], arrays["sigma2"]
    distance = frechet.gaussian_distance(arrays["mu1"], arrays["sigma1"], *second)
    yield compare("fid", distance, meta["fid"], 1e-13 * meta["fid"])
    singular = arrays["mu1"], arrays["sigma_rank_deficient"]
    by_root, by_eigenvalues = (
        meta[f"fid_rank_deficient_sigma1_{how}"] for how in ("sqrtm", "symmetric_eigen")
    )
    for name, pair in (("first", (*singular, *second)), ("second", (*second, *singular))):
        distance, noise = frechet.gaussian_distance(*pair), abs(by_root - by_eigenvalues)
        yield compare(f"fid, {name} is singular", distance, by_root, noise)


CHECKS = {"metrics_frechet": check_frechet, "metrics_images": check_images}
