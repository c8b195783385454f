"""HEIC and HEIF images, by pillow-heif if it is installed (the extra ``heic``)."""

import io

from PIL import Image

from morelike.images import kinds


def opened(data: bytes) -> Image.Image:
    """Open a HEIC or HEIF image without decoding its pixels; they come upright, 8 bits per value.

    Raises:
        ImageError: with code ``unsupported`` if pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise kinds.not_read("a HEIC image", '`pip install "morelike[heic]"` reads it') from error
    pillow_heif.register_heif_opener(thumbnails=False)
    return Image.open(io.BytesIO(data), formats=("HEIF",))
