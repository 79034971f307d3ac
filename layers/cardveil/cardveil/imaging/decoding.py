"""Pictures decoded, flattened, turned upright and encoded again, whatever their format."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Review
from cardveil.imaging import icc, jpeg_copy
from cardveil.imaging.image import Picture
from cardveil.imaging.limits import corrupt, too_large, unsupported

if TYPE_CHECKING:  # Pillow costs 50 ms and 22 MB at import, and the coefficient path does without it.
    from PIL import Image

_PILLOW_NAMES: Final = {"jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "webp": "WEBP", "tiff": "TIFF"}
#: Greys that transparency is laid on, in the order of preference; the levels by which ink must differ from
#: it, and the share of the ink that must.
_GROUNDS: Final = (255, 0, 128)
_CONTRAST: Final = 48
_SEEN: Final = 0.9
#: Bytes a pixel that decoding alone may take.
_DECODING: Final = 20
#: Longest side at which a transparent picture is looked at, and pixels around what is transparent.
_LOOKED_AT: Final = 1024
#: TIFF's tag of how samples are told by their neighbours: 2 makes LZW worth its while for photographs.
_PREDICTOR: Final = 317
_AROUND: Final = 9


def decode(picture: Picture, *, halved: bool = False) -> Image.Image:
    """Decode a picture as stored, from a copy of the file that holds no metadata.

    Parameters
    ----------
    halved : bool
        Decode a JPEG at half its width and height, which takes a quarter of the memory.

    Returns
    -------
    Image
        Mode ``L``, ``RGB`` or ``I;16``, in sRGB or one of the known colour spaces, transparency laid on
        white or on what else its ink can be told from.

    Raises
    ------
    Reject
        ``picture_corrupt`` or ``format_not_supported``.
    Review
        ``transparent_ink`` if there is no such ground.
    """
    clean = picture.clean
    if picture.jpeg is not None:
        clean = jpeg_copy.without_metadata(picture.data, picture.jpeg)
    width, height = picture.stored_width, picture.stored_height
    half = (-(-width // 2), -(-height // 2)) if halved and picture.jpeg is not None else None
    image = read(clean, picture.format, width * height, half)
    if image.size != (half or (width, height)):
        raise corrupt("its picture data has another size than its header")
    flat = _flattened(image, picture)
    if picture.profile is not None:
        flat = _in_srgb(flat if image.mode != "CMYK" else image, picture.profile)
    flat.info = {}
    return flat


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a stored picture the way its orientation says it is shown."""
    from PIL import Image as Pillow

    ways = Pillow.Transpose
    way = {
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_270,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_90,
    }.get(orientation)
    return image if way is None else image.transpose(way)


def in_eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture with samples of eight bits; Pillow's own conversion of sixteen clips."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value / 257).convert("L")


def encode(image: Image.Image, format_: str, profile: bytes | None) -> bytes:
    """Encode a flat picture with no metadata but `profile` (left to the caller for JPEG; BMP has none).

    JPEG keeps all chroma samples, so that covered blocks stay exactly flat. WebP stays WebP, without loss:
    the copy keeps the name and type its readers expect, its cover can be checked exactly, and it is smaller
    than a PNG (13.8 against 19.5 MB at 12 megapixels) in the same time. TIFF stays TIFF, without loss by LZW,
    which every reader knows.
    """
    out = io.BytesIO()
    try:
        if format_ == "jpeg":
            image.save(out, "JPEG", quality=95, subsampling=0)
        elif format_ == "png":
            # Level 1: four times faster than the default for seven per cent more bytes.
            image.save(out, "PNG", compress_level=1, icc_profile=profile)
        elif format_ == "webp":
            image.convert("RGB").save(
                out, "WEBP", lossless=True, quality=20, method=0, icc_profile=profile or b""
            )
        elif format_ == "tiff":
            return _as_tiff(image, profile)
        else:
            image.save(out, "BMP")
    except (OSError, ValueError):
        # How Pillow's encoders say that they got no memory: a flat picture has nothing else wrong with it.
        raise too_large() from None
    return out.getvalue()


def _as_tiff(image: Image.Image, profile: bytes | None) -> bytes:
    """Return a TIFF of one page: Pillow's picture, and only those of its tags that decoding needs."""
    from cardveil.imaging import tiff

    out = io.BytesIO()
    image.save(out, "TIFF", compression="tiff_lzw", tiffinfo={_PREDICTOR: 2})
    return tiff.write(tiff.parsed(out.getvalue()), profile)


def profile_to_write(picture: Picture, image: Image.Image) -> bytes | None:
    """Return the canonical profile of a picture's colour space when it fits the image's planes."""
    grey = image.mode != "RGB"
    return icc.canonical(picture.colour) if grey == (picture.colour == icc.GREY) else None


def read(data: bytes, format_: str, area: int, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode a file of one format; raises Reject ``picture_corrupt`` or ``picture_too_large``."""
    import struct
    import warnings
    import zlib

    from PIL import Image as Pillow

    if format_ == "tiff":
        from cardveil.imaging.quiet_libtiff import silence

        silence()
    try:
        with warnings.catch_warnings():
            # Limits were held to before; a warning about a large picture would say nothing new.
            warnings.simplefilter("ignore")
            image = Pillow.open(io.BytesIO(data), formats=(_PILLOW_NAMES[format_],))
            if size is not None:
                image.draft(None, size)
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error):
        # Decoders say the same of a damaged picture and of one that they got no memory for: is there any?
        bytearray(_DECODING * area)
        raise corrupt("its picture data is damaged") from None
    return image


def _flattened(image: Image.Image, picture: Picture) -> Image.Image:
    if image.mode.startswith("I"):
        # Of I;16B there is no direct way.
        return image if image.mode == "I;16" else image.convert("I").convert("I;16")
    transparent = "A" in image.mode or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA") and not transparent
    flat = image.convert("RGBA" if transparent else "L" if grey else "RGB")
    if picture.gamma is not None:
        flat = _with_srgb_curve(flat, picture.gamma)
    return flat if not transparent else _on_ground(flat, picture)


def _with_srgb_curve(image: Image.Image, gamma: float) -> Image.Image:
    """Return samples as sRGB's curve codes them, of samples that `gamma` makes linear."""
    linear = [(value / 255) ** gamma for value in range(256)]
    curve = [round(255 * (12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055)) for x in linear]
    colours = 3 if image.mode.startswith("RGB") else 1
    return image.point(curve * colours + list(range(256)) * (len(image.getbands()) - colours))


def _on_ground(image: Image.Image, picture: Picture) -> Image.Image:
    """Lay a transparent picture on white, or on what else its ink can be told from.

    Raises
    ------
    Reject
        ``format_not_supported`` for a BMP whose transparency some viewers show.
    Review
        ``transparent_ink`` if there is ink that cannot be seen on any one ground.
    """
    from PIL import Image as Pillow

    alpha = image.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255 or (picture.format == "bmp" and highest == 0):
        # Viewers take a BMP whose alpha is nothing but zeros for one without.
        return image.convert("RGB")
    if picture.format == "bmp":
        raise unsupported("a BMP with transparency")
    ground = _ground(image)
    flat = Pillow.new("RGB", image.size, (ground, ground, ground))
    flat.paste(image, mask=alpha)
    return flat


def _ground(image: Image.Image) -> int:
    """Return the grey on which what borders on transparency stands out best, white if in doubt."""
    from PIL import Image as Pillow
    from PIL import ImageChops, ImageFilter

    small = image.copy()
    small.thumbnail((_LOOKED_AT, _LOOKED_AT), Pillow.Resampling.NEAREST)
    alpha = small.getchannel("A")
    around = alpha.point([255] * 128 + [0] * 128).filter(ImageFilter.MaxFilter(_AROUND))
    ink = ImageChops.multiply(around, alpha.point([0] * 64 + [255] * 192))
    luma = small.convert("RGB").convert("L").histogram(ink)
    total = sum(luma)
    seen = {
        ground: sum(count for value, count in enumerate(luma) if abs(value - ground) >= _CONTRAST)
        for ground in _GROUNDS
    }
    best = max(seen, key=lambda ground: seen[ground])
    if seen[best] < _SEEN * total:
        raise Review(
            "transparent_ink", "upload the picture on a ground of one colour: its ink cannot be seen"
        )
    return best


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A profile that does not fit its picture is ignored, as viewers do.
        return image.convert("RGB") if image.mode == "CMYK" else image
    return converted if converted is not None else image
