"""Perceptual hashes, and the groups of images that are nearly the same."""

from itertools import pairwise

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from morelike import pixels

HASH_BITS = 64
SIDE_PX = 32
SMALL_SIDE_PX = 16
ALIKE_RMS = 0.03  # of 16×16 grey thumbnails without their means, pixels in [0, 1]: images further apart are not alike
PAIRS_AT_ONCE = 65_536
LARGEST_GROUP = 50  # images, or the share below of all if that is more: a larger group is a chain, not a burst
LARGEST_GROUP_SHARE = 0.05


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Shrink uint8 H×W×{1,3} to the uint8 32×32 grey image that is hashed."""
    return cv2.resize(pixels.to_colour(image, 1)[:, :, 0], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def small_thumbnail(thumbnail_32: np.ndarray) -> bytes:
    """Shrink a thumbnail once more, to the 16×16 = 256 bytes that settle whether like hashes are like images."""
    return cv2.resize(thumbnail_32, (SMALL_SIDE_PX, SMALL_SIDE_PX), interpolation=cv2.INTER_AREA).tobytes()


def phash(thumbnails: np.ndarray) -> np.ndarray:
    """Return the 64-bit perceptual hashes of uint8 N×32×32 thumbnails, as uint64 N.

    The low 8×8 frequencies of the DCT-II without the constant row and column, each compared with their median
    (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1).
    Half of the bits are set, so two hashes differ in an even number of bits.
    """
    spectra = dctn(thumbnails.astype(np.float32), axes=(1, 2), norm="ortho")
    low = spectra[:, 1:9, 1:9].reshape(len(thumbnails), HASH_BITS)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def near_pairs(hashes: np.ndarray, radius_bits: int) -> np.ndarray:
    """Return the pairs (int64 2×P, rows of ``hashes``) of *distinct* hashes at most ``radius_bits`` apart.

    Hashes within r bits agree in at least one of r + 1 bands (pigeonhole), so only those that share a band are
    compared: about n log n for small radii, against n² for all pairs. A pair may be named more than once.
    """
    found = [np.empty((2, 0), np.int64)]
    edges = np.linspace(0, HASH_BITS, radius_bits + 2).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        keys, sorted_hashes = keys[order], hashes[order]
        for step in range(1, len(hashes)):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(same):
                break
            apart = np.bitwise_count(sorted_hashes[same] ^ sorted_hashes[same + step])
            near = same[apart <= radius_bits]
            found.append(np.stack([order[near], order[near + step]]))
    return np.concatenate(found, axis=1)


def near_duplicate_groups(hashes: np.ndarray, small_thumbnails: list[bytes], radius_bits: int) -> np.ndarray:
    """Number the groups (int64 N, from 0, in order of their first image) that near-duplicates link together.

    Two images are linked if their hashes differ by at most ``radius_bits`` and their small thumbnails, whatever
    their brightness, by an rms of at most 0.03: hashes alone link most digits 1 drawn by different hands. Of 13,014
    letters no two are linked so, and of copies of every 13th at 0.7 of the size, or at JPEG quality 75, 86% and 99% are
    linked to their originals with 6 bits.

    A group of more than 50 images and 5% of all is a chain of look-alikes; it is grouped anew within a radius 2 bits
    smaller, so that it can be split.
    """
    thumbnails = np.frombuffer(b"".join(small_thumbnails), np.uint8).reshape(len(hashes), SMALL_SIDE_PX**2)
    groups = _linked(hashes, thumbnails, radius_bits)
    limit = max(LARGEST_GROUP, LARGEST_GROUP_SHARE * len(hashes))
    for radius in range(radius_bits - 2, -1, -2):
        chained = np.bincount(groups, minlength=1)[groups] > limit
        if not chained.any():
            break
        groups[chained] = groups.max() + 1 + _linked(hashes[chained], thumbnails[chained], radius)
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


def _linked(hashes: np.ndarray, thumbnails: np.ndarray, radius_bits: int) -> np.ndarray:
    """Link images; of those with one and the same hash, each is compared with the first alone."""
    distinct, first, numbers = np.unique(hashes, return_index=True, return_inverse=True)
    rows = np.arange(len(hashes))
    same_hash = np.stack([rows, first[numbers]])
    pairs = np.concatenate([same_hash, first[near_pairs(distinct, radius_bits)]], axis=1)
    parts = np.array_split(pairs, max(1, pairs.shape[1] // PAIRS_AT_ONCE), axis=1)
    links = np.concatenate([part[:, _alike(thumbnails[part[0]], thumbnails[part[1]])] for part in parts], axis=1)
    graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(len(rows), len(rows)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _alike(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """Tell which of N pairs of uint8 thumbnails (N×256) differ by little but their brightness; bool N."""
    difference = (these.astype(np.float32) - those) / 255
    return difference.std(axis=1) <= ALIKE_RMS
