"""Pictures to uint8 RGB arrays and back."""

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from jaxtalk.core.errors import UserError
from jaxtalk.media import files

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "JPEG2000", "BMP", "TIFF", "GIF", "PPM")
MIN_SIDE_PX = 32
MAX_PIXELS = 64_000_000


def read_image(path):
    """A picture as uint8 [H, W, 3], upright.

    The first frame of an animation; the orientation that the camera noted is applied; what is
    transparent becomes white; 16-bit, grey, palette and CMYK pictures become 8-bit RGB. Colour
    profiles are ignored.

    Raises:
      UserError: not a readable local picture of a known format, damaged, a side under 32 px, or
        over 64 megapixels (found out before the pixels are decoded).
    """
    name = os.fspath(path)
    with files.open_local(path) as file, warnings.catch_warnings():
        # Pillow only warns of pictures that unpack to too much memory.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module="PIL")
        try:
            image = Image.open(file, formats=FORMATS)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise _too_large(name, "a huge picture") from None
        except (OSError, SyntaxError, ValueError, TypeError, EOFError, OverflowError):
            raise UserError(
                f"{name}: not a picture of a known format; expected one of {', '.join(FORMATS)}; "
                "convert it to PNG or JPEG"
            ) from None
        width, height = image.size
        if min(width, height) < MIN_SIDE_PX:
            raise UserError(
                f"{name}: found {width} x {height} px, expected at least {MIN_SIDE_PX} px each way"
            )
        if width * height > MAX_PIXELS:
            raise _too_large(name, f"{width} x {height} px")
        try:
            return _to_rgb(ImageOps.exif_transpose(image))
        except Exception as error:  # Pillow's decoders raise what they like on damaged data
            raise UserError(
                f"{name}: the picture does not decode ({error}); expected a complete 8 or 16-bit "
                "picture; save it again as PNG or JPEG"
            ) from None


def _too_large(name, found):
    return UserError(
        f"{name}: found {found}, expected at most {MAX_PIXELS // 10**6} megapixels; scale it down"
    )


def _to_rgb(image):
    """A decoded picture of any mode as uint8 [H, W, 3]."""
    if image.mode == "F":
        raise ValueError("32-bit floating point pixels have no range of their own")
    if image.mode.startswith("I"):  # 16-bit grey, in 16 or 32-bit integers
        grey = (np.asarray(image).astype(np.int64) // 257).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def decode_jpeg(data):
    """Bytes of a JPEG (or PNG) of a corpus -> uint8 [H, W, 3]."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        return np.array(image.convert("RGB"))


def encode_jpeg(image, quality=95):
    """uint8 [H, W, 3] -> bytes of a JPEG without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def write_png(path, image):
    """uint8 [H, W, 3] to a PNG file; whole or absent."""
    with files.replacing(path) as temporary:
        Image.fromarray(image).save(temporary, "PNG")
