"""Each metric against its reference at 1e-4 relative, and a table of how far they are apart.

  pytest tests/metrics/test_references.py

References are public tools, whose values golden files hold, and scipy.
"""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from jaxtalk.metrics import frechet, identity, landmarks
from jaxtalk.metrics.protocols import FULL_REFERENCE, NO_REFERENCE
from jaxtalk.metrics.sync import lip_sync_error, offset_distances
from jaxtalk.pretrained import lpips
from tests import golden_files

ALLOWED = 1e-4  # relative, of each value
# The difference of two distances of 16,000, in float32: the reference, too, is 4e-4 off float64.
EXCEPTIONS = {("LSE-C, AVConf", "syncnet_python, net"): 1e-3}


def _full_reference(name, protocol):
    def values():
        arrays, meta = golden_files.load("metrics_images")
        found = {key.split(" ")[0]: value for key, value in meta["values"].items()}
        return FULL_REFERENCE[protocol](arrays["a_u8"], arrays["b_u8"]), found[name]

    return values


def _cpbd():
    arrays, meta = golden_files.load("metrics_images")
    found = [NO_REFERENCE["cpbd/2009"](arrays[f"{side}_u8"]) for side in "ab"]
    return np.stack(found), [meta["values"][f"cpbd_{side}_gray_u8"] for side in "ab"]


def _lpips():
    arrays, meta = golden_files.load("lpips_vgg")
    distances = arrays["dist"]
    all_at_once = f"distance of {len(distances)}"
    worst = next(c for c in lpips.check(arrays, meta) if c.tensor == all_at_once)
    # The largest error, taken as if it were that of the smallest distance.
    return distances.min() + worst.error, distances.min()


def _lip_sync(key, name, of="synthetic"):
    lip, audio = {"net": ("lip_emb", "aud_emb"), "synthetic": ("syn_f1", "syn_f2")}[of]

    def values():
        arrays, meta = golden_files.load("syncnet_python_lse")
        scores = lip_sync_error(offset_distances(arrays[lip], arrays[audio]))
        return scores[key], meta[f"metrics_on_{of}"][name]

    return values


def _frechet():
    arrays, meta = golden_files.load("metrics_frechet")
    names = ("mu1", "sigma1", "mu2", "sigma2")
    return frechet.gaussian_distance(*(arrays[name] for name in names)), meta["fid"]


def _frechet_of_features():
    x, y = (np.random.default_rng(s).normal(s, 1 + s, (500, 32)) for s in (0, 1))
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(first + second - 2 * root)
    halves = [frechet.merge(*map(frechet.statistics, np.split(z, [123]))) for z in (x, y)]
    return frechet.frechet_distance(*halves), expected


def _csim():
    """Of iresnet50's embeddings, as the golden file has the cosines."""
    arrays, meta = golden_files.load("arcface_iresnet50")
    found = [identity.csim(arrays["embedding"], reference) for reference in arrays["embedding"]]
    return np.stack(found), meta["csim"]


def _distance(function, points, centred=True, normalised=False):
    def values():
        fake, real = np.random.default_rng(3).uniform(0, 256, (2, 9, 68, 2))
        expected = []
        units = [
            np.mean([np.sqrt((x.max(0) - x.min(0)).prod()) for x in side]) for side in (fake, real)
        ]
        for a, b in zip(fake, real):
            a, b = a[points], b[points]
            if normalised:
                a, b = a / units[0], b / units[1]
            if centred:
                a, b = a - a.mean(0), b - b.mean(0)
            expected.append(np.mean(np.diag(scipy.spatial.distance.cdist(a, b))))
        return function(fake, real), expected

    return values


PUBLIC_SSIM = "scikit-image 0.26 structural_similarity"
CDIST = "scipy.spatial.distance.cdist"
MOUTH, FACE, ALL = slice(48, 68), slice(0, 48), slice(0, 68)
# Metric, protocol, reference, function -> (values, reference's values).
ROWS = (
    ("PSNR", "psnr", "scikit-image 0.26", _full_reference("psnr_u8", "psnr")),
    *(
        ("SSIM", protocol, reference, _full_reference(name, protocol))
        for protocol, reference, name in (
            ("ssim/gauss11", PUBLIC_SSIM, "ssim_skimage_gaussian_u8_rgb"),
            ("ssim/gauss11", "pytorch_msssim 1.0", "ssim_pytorch_msssim"),
            ("ssim/uniform7", PUBLIC_SSIM, "ssim_skimage_default_u8_rgb"),
            ("ssim/uniform7/gray", PUBLIC_SSIM, "ssim_skimage_default_gray"),
        )
    ),
    (
        *("MS-SSIM", "ms_ssim/gauss11", "pytorch_msssim 1.0"),
        _full_reference("ms_ssim_pytorch_msssim", "ms_ssim/gauss11"),
    ),
    ("LPIPS", "lpips/vgg16", "lpips 0.1, weights by a rule", _lpips),
    ("CPBD", "cpbd/2009", "cpbd", _cpbd),
    ("LMD absolute", "lmd/px68/absolute", CDIST, _distance(landmarks.lmd_absolute, ALL, False)),
    ("F-LMD", "lmd/px68", CDIST, _distance(landmarks.lmd, ALL)),
    ("F-LMD, no mouth", "f-lmd/px48", CDIST, _distance(landmarks.face_lmd, FACE)),
    ("M-LMD", "m-lmd/px68", CDIST, _distance(landmarks.mouth_lmd, MOUTH)),
    (
        *("LMD normalised", "lmd/normalised", CDIST),
        _distance(landmarks.normalised_lmd, MOUTH, normalised=True),
    ),
    *(
        (metric, "lse/syncnet_v2", f"syncnet_python, {of}", _lip_sync(key, name, of))
        for metric, key, name in (
            ("LSE-D", "lse_d", "LSE_D"),
            ("LSE-C, AVConf", "lse_c", "LSE_C"),
            ("AVOff", "offset", "offset"),
        )
        for of in ("net", "synthetic")
    ),
    ("CSIM", "csim/arcface", "insightface iresnet50", _csim),
    ("FID", "fid, of statistics", "pytorch-fid's formula", _frechet),
    ("FID", "fid, of features", "scipy.linalg.sqrtm", _frechet_of_features),
)


@pytest.mark.parametrize(
    ("metric", "protocol", "reference", "values"),
    ROWS,
    ids=[f"{metric}-{reference}-{i}" for i, (metric, _, reference, _) in enumerate(ROWS)],
)
def test_a_metric_is_its_reference(metric, protocol, reference, values, record_property):
    found, expected = (np.asarray(x, np.float64) for x in values())
    assert found.shape == expected.shape
    wrong = np.abs(found - expected)
    size = np.abs(expected)
    # Where the reference is 0, so must the value be.
    error = float(np.max(np.where(size > 0, wrong / np.where(size > 0, size, 1), wrong)))
    allowed = EXCEPTIONS.get((metric, reference), ALLOWED)
    record_property("metric_error", [metric, protocol, reference, error, allowed])
    assert error <= allowed
