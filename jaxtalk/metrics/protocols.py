"""Names of the image metrics in every result: a number without its protocol means nothing.

`FULL_REFERENCE`: name -> function of (fake, real); `NO_REFERENCE`: name -> function of (images).
Frames are uint8 [B, H, W, 3] in 0..255, values float32 [B]. Of a corpus, report the mean over
frames. What each matches is in its docstring.
"""

from jaxtalk.metrics.cpbd import cpbd
from jaxtalk.metrics.image import check_images, gray, psnr
from jaxtalk.metrics.ssim import ms_ssim, ssim_gauss11, ssim_uniform7


def ssim_gauss11_gray(fake, real):
    """`ssim_gauss11` of the luma, `image.gray`."""
    check_images(1, fake=fake, real=real)
    return ssim_gauss11(gray(fake), gray(real))


def ssim_uniform7_gray(fake, real):
    """`ssim_uniform7` of the luma, `image.gray`."""
    check_images(1, fake=fake, real=real)
    return ssim_uniform7(gray(fake), gray(real))


FULL_REFERENCE = {
    "psnr": psnr,
    "ssim/gauss11": ssim_gauss11,
    "ssim/gauss11/gray": ssim_gauss11_gray,
    "ssim/uniform7": ssim_uniform7,
    "ssim/uniform7/gray": ssim_uniform7_gray,
    "ms_ssim/gauss11": ms_ssim,
}
NO_REFERENCE = {"cpbd/2009": cpbd}
