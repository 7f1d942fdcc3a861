"""Pictures of all kinds against the pixels that went in."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxtalk.core.errors import UserError
from jaxtalk.media import image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm"])
def test_lossless_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(image.read_image(path), PIXELS)


def test_jpeg(tmp_path):
    smooth = np.stack(np.meshgrid(np.arange(64), np.arange(48), [2]), -1)[:, :, 0].astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(image.encode_jpeg(smooth))
    read = image.read_image(tmp_path / "a.jpg")
    np.testing.assert_allclose(read.astype(int), smooth, atol=3)
    np.testing.assert_array_equal(image.decode_jpeg(image.encode_jpeg(smooth)), read)


def test_write_png(tmp_path):
    image.write_png(tmp_path / "a.png", PIXELS)
    np.testing.assert_array_equal(image.read_image(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_the_camera_is_applied(tmp_path, orientation):
    # What a viewer shows, from the Exif standard: where row 0 and column 0 of the file belong.
    shown = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(image.read_image(tmp_path / "a.png"), shown(PIXELS))


def test_transparency_becomes_white(tmp_path):
    alpha = RNG.integers(0, 256, (40, 50, 1))
    Image.fromarray(np.concatenate([PIXELS, alpha.astype(np.uint8)], -1)).save(tmp_path / "a.png")
    expected = 255 + (PIXELS.astype(float) - 255) * alpha / 255
    np.testing.assert_allclose(image.read_image(tmp_path / "a.png"), expected, atol=1)


def test_grey_palette_and_binary(tmp_path):
    grey = Image.fromarray(PIXELS[:, :, 0])
    for name, picture in {
        "grey": grey,
        "palette": Image.fromarray(PIXELS).quantize(8),
        "binary": grey.convert("1"),
        "grey with alpha": Image.merge("LA", [grey, grey]),
    }.items():
        picture.save(tmp_path / "a.png")
        expected = picture.convert("RGBA" if name == "grey with alpha" else "RGB")
        if expected.mode == "RGBA":
            white = Image.new("RGBA", expected.size, "white")
            expected = Image.alpha_composite(white, expected).convert("RGB")
        np.testing.assert_array_equal(image.read_image(tmp_path / "a.png"), np.asarray(expected))


def test_transparent_colour_of_a_palette(tmp_path):
    picture = Image.fromarray(np.tile(np.uint8([0, 1]), (40, 25)))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.save(tmp_path / "a.png", transparency=0)
    read = image.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read[0, :2], [[255, 255, 255], [200, 100, 50]])


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits(tmp_path, suffix):
    deep = np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
    read = image.read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(read, np.repeat(deep[:, :, None] / 257, 3, -1), atol=1)


def test_cmyk(tmp_path):
    ink = np.zeros((40, 50, 4), np.uint8)
    ink[:, :, 0] = 255  # full cyan
    Image.fromarray(ink, "CMYK").save(tmp_path / "a.tiff")
    np.testing.assert_allclose(image.read_image(tmp_path / "a.tiff")[0, 0], [0, 255, 255], atol=1)


def test_first_frame_of_an_animation(tmp_path):
    first, second = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(image.read_image(tmp_path / "a.gif")[0, 0], [255, 0, 0])


def test_size_limits(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    assert image.read_image(tmp_path / "a.png").shape == (32, 32, 3)
    Image.new("RGB", (31, 400)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="31 x 400"):
        image.read_image(tmp_path / "a.png")


@pytest.mark.parametrize("side", [8001, 12_000, 60_000])
def test_huge_pictures_are_refused_before_decoding(tmp_path, side):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    # A header alone: decoding it would fail with another message.
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    )
    with pytest.raises(UserError, match="at most 64 megapixels"):
        image.read_image(tmp_path / "a.png")


def test_faulty_files_are_named_in_one_line(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    whole = path.read_bytes()
    Image.new("F", (40, 40)).save(tmp_path / "float.tiff")
    faults = {
        b"": "empty",
        b"hello" * 100: "not a picture",
        whole[:20]: "not a picture",
        whole[: len(whole) // 2]: "does not decode",
        whole[:200] + b"\0" * (len(whole) - 200): "does not decode",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n": "not a picture",
        (tmp_path / "float.tiff").read_bytes(): "32-bit",
    }
    for data, message in faults.items():
        path.write_bytes(data)
        with pytest.raises(UserError, match=message) as raised:
            image.read_image(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
