"""Stacks: files of several pages or frames, each of which may be an image of its own."""

import io

from PIL import Image

from morelike.images import headers, tiffs
from morelike.images.errors import ImageError

FORMATS = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")  # whose pages may be images of their own


def alone(data: bytes, page: int, max_pixels: int = headers.MAX_PIXELS) -> bytes:
    """Return the file of one page: a TIFF for a TIFF, a PNG for an animation, whose frames are drawn over each other.

    Args:
        data: the whole file.
        page: counted from 1; 0 returns ``data`` as it is.
        max_pixels: as :func:`morelike.images.pixels.read`.

    Raises:
        ImageError: with code ``truncated`` or ``decode_error`` if the page cannot be read; as
            :func:`morelike.images.headers.opened`.
    """
    if not page:
        return data
    if data.startswith(tiffs.SIGNATURES):
        return tiffs.alone(data, page)
    with headers.guarded(max_pixels):
        image = headers.opened(data, max_pixels)
        try:
            image.seek(page - 1)
        except EOFError as error:
            raise ImageError("truncated", f"its frame {page} cannot be found") from error
        file = io.BytesIO()
        _plain(image).save(file, "PNG", compress_level=1)
        return file.getvalue()


def format_of(data: bytes) -> str:
    """Return Pillow's name of the format of a stack.

    Raises:
        ImageError: as :func:`morelike.images.headers.opened`.
    """
    return "TIFF" if data.startswith(tiffs.SIGNATURES) else headers.opened(data, headers.MAX_PIXELS).format or ""


def _plain(image: Image.Image) -> Image.Image:
    image.load()
    return image.copy()  # saving the image itself would save all of its frames
