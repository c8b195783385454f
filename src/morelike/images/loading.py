"""Load an encoded image: its header, and its pixels as stored, by Pillow or, where Pillow cannot, by OpenCV."""

from dataclasses import dataclass, replace

from PIL import Image

from morelike.images import colour, deep, headers, tiffs
from morelike.images.colour import Colour, Converted
from morelike.images.deep import Numbers, Span
from morelike.images.headers import Header

MOST_COMPARED_PIXELS = 16_000_000  # of an image that must be converted to be compared with what OpenCV decodes


@dataclass
class Loaded:
    """A file whose pixels are decoded, but not converted.

    Attributes:
        header: what the file says of itself.
        image: as Pillow loaded it; None for a TIFF that it cannot read.
        numbers: of a deep image; None for 8 bits.
        orientation: how the pixels must be turned, as EXIF counts it; OpenCV has turned those of a TIFF already.
    """

    header: Header
    image: Image.Image | None
    numbers: Numbers | None
    orientation: int

    def converted(self, background: Colour, span: Span | None) -> Converted:
        """Return uint8 pixels, as stored, and let go what was loaded.

        A deep image is scaled from ``span``, from :data:`deep.FULL` if it is None.

        Raises:
            ImageError: with code ``nan``, ``infinite`` or ``out_of_range``.
        """
        if self.numbers is None:
            return colour.convert(self.image, background)
        kind, info = self.numbers.kind, self.image.info if self.image is not None else {}
        span = span or deep.FULL[kind]
        low, high = self.numbers.extent()
        deep.check_range(low, high, span)
        scaled = self.numbers.scaled(span)
        self.numbers = self.image = None  # large images are many bytes
        result = deep.coloured(scaled, info, background)
        return replace(result, numbers=kind, low=low, high=high, black=span.black, white=span.white)


def load(data: bytes, max_pixels: int) -> Loaded:
    """Load the first frame of a file; call it inside :func:`morelike.images.headers.guarded`.

    Raises:
        ImageError: as :func:`morelike.images.pixels.read`, but for what the range of a set decides.
    """
    layout = tiffs.foreign(data)
    if layout is not None:
        header = headers.of_foreign(layout, max_pixels)
        return Loaded(header, None, deep.of_tiff(data, layout), 1)
    image = headers.loaded(data, max_pixels)
    header = headers.header_of(image, data, max_pixels)
    if deep.is_halved(image, header.bits) and image.width * image.height > MOST_COMPARED_PIXELS:
        image.close()  # its pixels are many bytes, and are looked at no more
    numbers = deep.of_pillow(image, data, header.bits)
    upright = numbers is not None and numbers.upright
    return Loaded(header, image, numbers, 1 if upright else header.orientation)
