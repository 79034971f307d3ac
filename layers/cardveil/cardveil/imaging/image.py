"""A source picture as its bytes describe it: format, upright size and cost, before decoding anything."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass, field
from cardveil.imaging import containers, exif, icc, jpeg
from cardveil.imaging.jpeg import JpegHeader
from cardveil.imaging.limits import Limits, corrupt, memory_bounded, of_pages, truncated, unsupported
from cardveil.imaging.orientation import upright_size
from cardveil.imaging.turbojpeg_library import coefficient_path_available

if TYPE_CHECKING:
    from cardveil.imaging.tiff import Directory

#: What a format is called in HTTP and COS.
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jpeg": "image/jpeg",
        "png": "image/png",
        "bmp": "image/bmp",
        "webp": "image/webp",
        "tiff": "image/tiff",
    }
)
_ICC: Final = b"ICC_PROFILE\x00"
#: JPEGs of more pixels are decoded at half their size for recognisers: none takes more, and memory is short.
HALVED: Final = 24_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that passed its limits.

    Attributes
    ----------
    data : bytes
        The whole file as it was received.
    format : str
        ``jpeg``, ``png``, ``bmp``, ``webp`` or ``tiff``, from the bytes.
    width, height : int
        Size of the upright picture in pixels: what a person sees and all polygons refer to.
    orientation : int
        EXIF orientation, 1 to 8, from the first block that has one.
    conflicting : bool
        Whether another reader might turn the picture differently, see `exif.settle`.
    stored_width, stored_height : int
        Size as stored.
    colour : str
        What the embedded profile means, see `cardveil.imaging.icc`.
    clean : bytes
        The picture alone in its own format, without metadata or trailer; empty for JPEG, where `pixels` makes
        it.
    jpeg : JpegHeader or None
        Structure of a JPEG.
    profile : bytes or None
        The embedded profile, kept only where it must be converted.
    bits : int
        Depth of a sample.
    lossy_webp : bool
        Whether its pixels are coded by VP8.
    alpha : bool
        Whether its pixels may be transparent.
    gamma : float or None
        Exponent that makes its samples linear, where that is not sRGB's curve.
    cost : float
        Bytes a pixel that `redact` and `upright_copy` take at most: peaks of a process at 12 megapixels,
        rounded up by a tenth. `tests/unit/test_imaging_memory.py` measures them again.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    orientation: int
    conflicting: bool
    stored_width: int
    stored_height: int
    colour: str
    clean: bytes = field(repr=False, default=b"")
    jpeg: JpegHeader | None = None
    profile: bytes | None = field(repr=False, default=None)
    bits: int = 8
    lossy_webp: bool = False
    alpha: bool = False
    gamma: float | None = None
    cost: float = 0.0

    @property
    def media_type(self) -> str:
        """The media type of the source."""
        return MEDIA_TYPES[self.format]


@memory_bounded
def inspect(data: bytes, limits: Limits = Limits()) -> Picture:  # noqa: B008 - Limits is immutable
    """Read what a file's headers say; nothing is decoded.

    Parameters
    ----------
    data : bytes
        The whole file.
    limits : Limits
        What it may cost.

    Raises
    ------
    Reject
        ``empty_file``, ``not_a_picture``, ``picture_truncated``, ``picture_too_large``,
        ``picture_has_no_pixels``,
        ``picture_animated``, ``document_of_pages``, ``format_not_supported``, ``picture_corrupt`` or
        ``too_many_scans``.
    """
    if not data:
        raise Reject("empty_file", "upload the picture again: the file is empty")
    if len(data) > limits.max_bytes:
        raise Reject("picture_too_large", f"upload a file of at most {limits.max_bytes // 1048576} MB")
    try:
        if data[:2] == b"\xff\xd8":
            picture = _jpeg(data, limits)
        else:
            known = next((each for each in _CONTAINERS if each[1](data)), None)
            if known is None:
                raise _unknown(data)
            picture = _contained(data, known[0], known[2](data, limits))
    except struct.error:
        raise truncated() from None
    except IndexError:
        raise corrupt("a length in it is wrong") from None
    # A file is held twice more: without what is not its picture, and covered.
    limits.check_memory(picture.stored_width * picture.stored_height * picture.cost + 2 * len(data))
    return picture


def _jpeg_cost(header: JpegHeader, colour: str) -> float:
    """Return the bytes a pixel that a JPEG's copies take, see `Picture.cost`."""
    four = len(header.components) == 4
    if four or not header.suits_turbo or colour == icc.FOREIGN or not coefficient_path_available():
        return 12.0
    width, height = header.mcu
    samples = sum(64 * c.horizontal * c.vertical for c in header.components) / (width * height)
    # Turned and large ones are decoded for recognisers as well.
    decoded = 12.0 if header.width * header.height <= HALVED else 6.0 if header.progressive else 2.5
    return max(0.6 + 2.3 * samples, decoded)


def _jpeg(data: bytes, limits: Limits) -> Picture:
    header = jpeg.read_header(data, limits)
    plain: list[int] = []
    odd: list[int] = []
    xmp: list[int] = []
    chunks: list[bytes] = []
    for part in jpeg.segments(data):
        if part.marker == jpeg.APP1 and part.body[:5].lower() == b"exif\x00":
            usual, unusual = exif.orientations(part.body[6:])
            # Some readers take the last block, some want its name exactly so.
            (plain if part.body[:6] == b"Exif\x00\x00" and not plain else odd).extend(usual)
            odd += unusual
        elif part.marker == jpeg.APP1:
            xmp += exif.xmp_orientations(part.body)
        elif part.marker == jpeg.APP2 and part.body.startswith(_ICC):
            chunks.append(part.body[len(_ICC) :])
    orientation, conflicting = exif.settle(plain, odd, xmp)
    profile = b"".join(chunk[2:] for chunk in sorted(chunks, key=lambda chunk: chunk[:1])) or None
    width, height = upright_size(header.width, header.height, orientation)
    meaning = icc.meaning(profile)
    return Picture(
        data,
        "jpeg",
        width,
        height,
        orientation,
        conflicting,
        header.width,
        header.height,
        meaning,
        jpeg=header,
        cost=_jpeg_cost(header, meaning),
        profile=profile if meaning == icc.FOREIGN else None,
    )


def _contained(data: bytes, name: str, contents: containers.Contents) -> Picture:
    width, height = upright_size(contents.width, contents.height, contents.orientation)
    meaning = icc.meaning(contents.profile)
    return Picture(
        data,
        name,
        width,
        height,
        contents.orientation,
        contents.conflicting,
        contents.width,
        contents.height,
        meaning,
        clean=contents.clean,
        profile=contents.profile if meaning == icc.FOREIGN else None,
        bits=contents.bits,
        lossy_webp=contents.lossy,
        alpha=contents.alpha,
        gamma=contents.gamma,
        cost=contents.cost,
    )


def is_tiff(data: bytes) -> bool:
    """Say whether a file begins as a TIFF, or as one of the larger form."""
    return data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def _read_tiff(data: bytes, limits: Limits) -> containers.Contents:
    from cardveil.imaging.tiff import read_tiff  # of no use to the pictures of phones

    return read_tiff(data, limits)


_CONTAINERS: Final[
    tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes, Limits], containers.Contents]], ...]
] = (
    ("png", lambda data: data[:8] == containers.PNG_SIGNATURE, containers.read_png),
    ("webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", containers.read_webp),
    ("bmp", lambda data: data[:2] == b"BM", containers.read_bmp),
    ("tiff", is_tiff, _read_tiff),
)


def tiff_page(data: bytes, directory: Directory, limits: Limits) -> Picture:
    """Return one page of a TIFF as a picture; raises as `inspect`."""
    from cardveil.imaging.tiff import read_page

    try:
        picture = _contained(data, "tiff", read_page(data, directory, limits))
    except struct.error:
        raise truncated() from None
    limits.check_memory(picture.stored_width * picture.stored_height * picture.cost + 2 * len(data))
    return picture


def is_pdf(data: bytes) -> bool:
    """Say whether a file is a PDF: its mark may stand behind other bytes, but behind no picture's."""
    known = data[:2] == b"\xff\xd8" or any(each[1](data) for each in _CONTAINERS)
    return b"%PDF-" in data[:1024] and not known


def may_have_pages(data: bytes) -> bool:
    """Say whether a file may be a document, from its first bytes."""
    return is_tiff(data) or is_pdf(data)


def _unknown(data: bytes) -> Reject:
    if data[:6] in (b"GIF87a", b"GIF89a"):
        if data.count(b"\x21\xf9\x04") > 1:
            return Reject("picture_animated", "upload a still picture, not an animation")
        return unsupported("a GIF")
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
            # pillow-heif unpacks to 25 MB, 22 of them an encoder: the runtime layer would pass its 40 MB.
            return unsupported("HEIC (choose 'most compatible' in the phone's camera settings)")
        return unsupported("a video or an AVIF")
    if is_pdf(data):
        return of_pages()
    if data[:2] == b"\xff\x0a" or data[:12] == b"\x00\x00\x00\x0cJXL \r\n\x87\n":
        return unsupported("JPEG XL")
    if data[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n" or data[:4] == b"\xff\x4f\xff\x51":
        return unsupported("JPEG 2000")
    return Reject("not_a_picture", "upload a JPEG, PNG, TIFF, BMP or WebP photograph")
