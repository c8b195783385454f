"""DICOM images, by pydicom if it is installed (the extra ``dicom``)."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from morelike.images import kinds
from morelike.images.errors import ImageError

GREY = {"MONOCHROME1", "MONOCHROME2"}


def opened(data: bytes) -> Image.Image:
    """Open a DICOM file without decoding its pixels.

    Raises:
        ImageError: with code ``unsupported`` if pydicom is not installed, or the file holds no picture of a kind that
            it decodes.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise kinds.not_read("a DICOM image", '`pip install "morelike[dicom]"` reads it') from error
    return DicomFile(io.BytesIO(data))


class DicomFile(ImageFile.ImageFile):
    """The first frame of a DICOM file, as Pillow opens other files.

    Grey values go through the modality look-up table (``RescaleSlope`` and ``RescaleIntercept``, PS3.3 C.11.1), so
    those of a CT are in Hounsfield units; ``MONOCHROME1``, where the lowest stored value is white, is inverted before.
    Mode L or I;16 where the values stand as they are stored, without a sign; else I, or F if the slope or intercept is
    broken, or values have more than 16 bits. A palette, YBR and RGB become RGB.
    """

    format = "DICOM"
    format_description = "DICOM"

    def _open(self) -> None:
        import pydicom

        self._dataset = dataset = pydicom.dcmread(self.fp, force=False)
        if "PixelData" not in dataset:
            held = next((name for name in ("FloatPixelData", "DoubleFloatPixelData") if name in dataset), "no pixels")
            raise kinds.not_read(f"a DICOM file that holds {held}")
        self._size = int(dataset.Columns), int(dataset.Rows)
        self.n_frames = int(dataset.get("NumberOfFrames") or 1)
        self._mode = _mode(dataset)

    def load(self) -> Any:
        """Decode the first frame."""
        if self._dataset is not None:
            decoded = Image.fromarray(_values(self._dataset, self.mode))
            self._dataset, self.im = None, decoded.im
        return super().load()


def _mode(dataset: Any) -> str:
    if dataset.PhotometricInterpretation not in GREY:
        return "RGB"
    slope, intercept = _rescale(dataset)
    whole = slope.is_integer() and intercept.is_integer() and dataset.BitsAllocated <= 16
    if "ModalityLUTSequence" in dataset or not whole:
        return "F"
    if (slope, intercept) != (1, 0) or dataset.PixelRepresentation:
        return "I"
    return "L" if dataset.BitsAllocated <= 8 else "I;16"


def _rescale(dataset: Any) -> tuple[float, float]:
    return float(dataset.get("RescaleSlope", 1) or 1), float(dataset.get("RescaleIntercept", 0) or 0)


def _values(dataset: Any, mode: str) -> np.ndarray:
    """Decode the first frame to what Pillow holds in ``mode``: H×W, or uint8 H×W×3."""
    stored = _stored(dataset)
    if mode == "RGB":
        return _rgb(stored, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        stored = (-1 if dataset.PixelRepresentation else 2**dataset.BitsStored - 1) - stored.astype(np.int64)
    if mode in ("L", "I;16"):
        return stored.astype(np.uint8 if mode == "L" else np.uint16)
    if "ModalityLUTSequence" in dataset:
        from pydicom.pixels import apply_modality_lut

        return apply_modality_lut(stored, dataset).astype(np.float32)
    slope, intercept = _rescale(dataset)
    values = stored.astype(np.int32 if mode == "I" else np.float32)
    values *= values.dtype.type(slope)
    values += values.dtype.type(intercept)
    return values


def _stored(dataset: Any) -> np.ndarray:
    from pydicom.pixels import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return pixel_array(dataset, index=0)  # YBR becomes RGB
    except (RuntimeError, NotImplementedError) as error:
        if syntax.is_compressed:
            raise kinds.not_read(f"a DICOM image compressed as {syntax.name}, which pydicom cannot decode") from error
        raise ImageError("decode_error", f"the pixels cannot be decoded: {error}") from error


def _rgb(stored: np.ndarray, dataset: Any) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise kinds.not_read(f"a DICOM image of {dataset.PhotometricInterpretation}, {stored.shape}")
    bits = 8 * stored.dtype.itemsize
    return (stored >> (bits - 8)).astype(np.uint8) if bits > 8 else stored.astype(np.uint8)
