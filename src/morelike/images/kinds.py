"""Name the kind of a file by its first bytes, for the error of one that is not opened."""

import zlib

from morelike.images.errors import ImageError

# Kinds that are opened; a file that begins so and is not opened is damaged.
OPENED = {
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG\r\n\x1a\n": "a PNG",
    b"GIF8": "a GIF",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\xff\x4f\xff\x51": "a JPEG 2000",
}
UNSUPPORTED = {
    b"8BPS": "a Photoshop document of an unusual mode",
    b"v/1\x01": "an OpenEXR image",
    b"#?RADIANCE": "a Radiance HDR image",
    b"SIMPLE  =": "a FITS image",
    b"PF\n": "a PFM in colour",
    b"\x89HDF\r\n\x1a\n": "HDF5 data",
    b"%PDF-": "a PDF document",
    b"%!PS": "a PostScript document",
    b"gimp xcf": "a GIMP document",
    b"AT&TFORM": "a DjVu document",
    b"\xff\xd8\xff\xf7": "a JPEG-LS image",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"II\xbc": "a JPEG XR image",
    b"DDS ": "a DDS texture",
    b"icns": "an icon of macOS",
    b"FUJIFILMCCD-RAW": "a camera's raw photograph",
    b"IIRO": "a camera's raw photograph",
    b"IIRS": "a camera's raw photograph",
    b"IIU\0": "a camera's raw photograph",
    b"FOVb": "a camera's raw photograph",
}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
BOXES = {  # by the first box of an ISO base media file
    b"ftypcrx ": "a camera's raw photograph",
    b"ftypisom": "a video",
    b"ftypmp42": "a video",
    b"ftypqt  ": "a video",
}
DICOM_AT, DICOM = 128, b"DICM"
NIFTI_AT, NIFTI = 344, (b"n+1\0", b"ni1\0")
GZIP, GZIP_WINDOW_BITS = b"\x1f\x8b", 31
SVG_WITHIN_BYTES = 1024
CANON_RAW_AT, CANON_RAW = 4, b"\x10\0\0\0CR\x02\0"  # the place of the first page, then Canon's own mark
TIFF_SUBFILE, TIFF_SUB_IFDS, TIFF_REDUCED = 254, 330, 1


def is_heif(data: bytes) -> bool:
    """Tell whether a file says that it is a HEIC or HEIF image (ISO/IEC 23008-12)."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS


def is_dicom(data: bytes) -> bool:
    """Tell whether a file is in DICOM's file format (PS3.10, section 7.1)."""
    return data[DICOM_AT : DICOM_AT + 4] == DICOM


def is_webp(data: bytes) -> bool:
    """Tell whether a file begins as a WebP (RFC 9649)."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def is_avif(data: bytes) -> bool:
    """Tell whether a file says that it is an AVIF image."""
    return data[4:12] in (b"ftypavif", b"ftypavis")


def is_camera_raw(data: bytes, tags) -> bool:
    """Tell whether a TIFF is a camera's raw photograph: what Pillow would read of it is a small preview alone.

    ``tags`` are those of its first page.
    """
    reduced = int(tags.get(TIFF_SUBFILE, 0)) & TIFF_REDUCED and TIFF_SUB_IFDS in tags
    return bool(reduced) or data[CANON_RAW_AT : CANON_RAW_AT + len(CANON_RAW)] == CANON_RAW


def not_read(what: str, advice: str = "convert it to PNG, JPEG or TIFF") -> ImageError:
    """Return the error for an image of a kind that is not read."""
    return ImageError("unsupported", f"{what}; {advice}")


def not_opened(data: bytes) -> ImageError:
    """Return the error for a file that no decoder opens: of a kind that is not read, damaged, or no image at all."""
    declared = int.from_bytes(data[4:8], "little") + 8
    if is_webp(data) and declared > len(data):
        return ImageError("truncated", f"a WEBP of {declared} bytes, of which there are {len(data)}")
    unsupported = _unsupported(data)
    if unsupported:
        return not_read(unsupported)
    by_signature = (name for signature, name in OPENED.items() if data.startswith(signature))
    name = next(by_signature, "") or next((name for is_kind, name in OPENED_ELSE if is_kind(data)), "")
    if name:
        return ImageError("decode_error", f"begins as {name}, but its header cannot be read")
    return ImageError("not_an_image", "no known image format")


OPENED_ELSE = ((is_webp, "a WEBP"), (is_avif, "an AVIF"), (is_heif, "a HEIC"), (is_dicom, "a DICOM"))


def _unsupported(data: bytes) -> str:
    head = data[:SVG_WITHIN_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!doctype svg")) and b"<svg" in head):
        return "an SVG drawing"
    if data[4:12] in BOXES:
        return BOXES[data[4:12]]
    if _inflated_head(data)[NIFTI_AT : NIFTI_AT + 4] in NIFTI:
        return "a NIfTI volume"
    return next((name for signature, name in UNSUPPORTED.items() if data.startswith(signature)), "")


def _inflated_head(data: bytes) -> bytes:
    if not data.startswith(GZIP):
        return data[: NIFTI_AT + 4]
    try:
        return zlib.decompressobj(GZIP_WINDOW_BITS).decompress(data, NIFTI_AT + 4)
    except zlib.error:
        return b""
