"""Makes a JPEG of a HEIC or an AVIF, in a process of its own: of some damaged files libheif dies.

See `cardveil.imaging.child_main`.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

# As `cardveil.imaging.children` numbers them; nothing of ours can be imported here.
_CORRUPT, _UNSUPPORTED = 3, 5


def work(data: bytes, told: dict[str, Any], out: BinaryIO) -> int:
    """Convert the one file."""
    try:
        made = _converted(data, told)
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError):
        return _CORRUPT
    if made is None:
        return _UNSUPPORTED
    out.write(made)
    return 0


def _converted(data: bytes, told: dict[str, Any]) -> bytes | None:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # held to before
    image = _of_avif(data, told["orientation"]) if told["avif"] else _of_heic(data)
    profile = image.info.get("icc_profile")
    if "A" in image.mode and image.getchannel("A").getextrema()[0] != 255:
        return None  # what lies under its transparency, viewers show or do not
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=told["quality"], subsampling=0, icc_profile=profile)
    return out.getvalue()


def _of_heic(data: bytes) -> Any:
    import pi_heif

    # It turns the picture as its container says, and names no other turn any more.
    return pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True).to_pillow()


def _of_avif(data: bytes, orientation: int) -> Any:
    from PIL import Image

    image = Image.open(io.BytesIO(data), formats=("AVIF",))
    image.load()
    profile = image.info.get("icc_profile")
    ways = Image.Transpose
    way = {
        2: ways.FLIP_LEFT_RIGHT, 3: ways.ROTATE_180, 4: ways.FLIP_TOP_BOTTOM, 5: ways.TRANSPOSE,
        6: ways.ROTATE_270, 7: ways.TRANSVERSE, 8: ways.ROTATE_90,
    }.get(orientation)  # fmt: skip
    turned = image if way is None else image.transpose(way)
    turned.info["icc_profile"] = profile
    return turned
