"""Perceptual hashes and the thumbnails that they are made from."""

from collections.abc import Iterable

import cv2
import numpy as np

HASH_BITS = 64
SIDE_PX = 32
SMALL_SIDE_PX = 20
CUT_SHARE = 0.02
LOW_FREQUENCIES = np.cos(np.pi / SIDE_PX * np.outer(np.arange(1, 9), np.arange(SIDE_PX) + 0.5)).astype(np.float32)


def thumbnail(luma: np.ndarray) -> np.ndarray:
    """Shrink uint8 H×W luma to the uint8 32×32 image that is hashed."""
    return cv2.resize(luma, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def cut(luma: np.ndarray) -> np.ndarray:
    """Cut 2%, at least one pixel, off each side of uint8 H×W luma, to get the hash that a cropped copy would have.

    Luma with a side under 20 pixels is returned as it is.
    """
    down, across = (max(round(CUT_SHARE * side), 1) for side in luma.shape)
    return luma[down:-down, across:-across] if min(luma.shape) >= SMALL_SIDE_PX else luma


def small_thumbnail(thumbnail_32: np.ndarray) -> bytes:
    """Shrink a thumbnail to 20×20 = 400 bytes, which are compared where two hashes are close."""
    return cv2.resize(thumbnail_32, (SMALL_SIDE_PX, SMALL_SIDE_PX), interpolation=cv2.INTER_AREA).tobytes()


def phash(thumbnails: np.ndarray) -> np.ndarray:
    """Return the 64-bit perceptual hashes of uint8 N×32×32 thumbnails, as uint64 N.

    The low 8×8 frequencies of the DCT-II without the constant row and column, each compared with their median
    (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1).
    Half of the bits are set, so two hashes differ in an even number of bits.
    """
    low = LOW_FREQUENCIES @ thumbnails.astype(np.float32) @ LOW_FREQUENCIES.T
    low = low.reshape(len(thumbnails), HASH_BITS)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def in_hex(hashes: np.ndarray) -> np.ndarray:
    """Write uint64 N hashes as 16 hex digits each; str N."""
    return np.array([f"{int(value):016x}" for value in hashes], dtype=object)


def from_hex(digits: Iterable[str]) -> np.ndarray:
    """Read what :func:`in_hex` wrote; uint64 N."""
    return np.frombuffer(bytes.fromhex("".join(digits)), ">u8").astype(np.uint64)
