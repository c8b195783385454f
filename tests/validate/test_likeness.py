import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter

from morelike.images import pixels
from morelike.validate import hashing, likeness


def drawn(seed, side=48):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 3)
    field = (field - field.min()) / np.ptp(field)
    return (field * 255).astype(np.uint8)[:, :, None]


def resaved(image, quality):
    file = io.BytesIO()
    Image.fromarray(image[:, :, 0]).save(file, "JPEG", quality=quality)
    return pixels.decode(file.getvalue())


def groups_of(images, radius_bits=6):
    thumbnails = np.stack([hashing.thumbnail(image[:, :, 0]) for image in images])
    small = [hashing.small_thumbnail(thumbnail) for thumbnail in thumbnails]
    cut = np.stack([hashing.thumbnail(hashing.cut(image[:, :, 0])) for image in images])
    hashes = np.stack([hashing.phash(thumbnails), hashing.phash(cut)], axis=1)
    return likeness.near_duplicate_groups(hashes, small, radius_bits)


def random_hashes(count, clusters, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, clusters, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (count, 3), dtype=np.uint64), axis=1)
    return np.unique(centres[rng.integers(0, clusters, count)] ^ flips)


def test_the_hash_is_zauners_written_out_one_image_at_a_time():
    thumbnail = hashing.thumbnail(drawn(0)[:, :, 0])
    rows = fft.dct(thumbnail.astype(float), axis=0, norm="ortho")
    low = fft.dct(rows, axis=1, norm="ortho")[1:9, 1:9].ravel()
    bits = "".join("1" if value > np.median(low) else "0" for value in low)
    assert int(hashing.phash(thumbnail[None])[0]) == int(bits, 2)


@pytest.mark.parametrize("radius", [0, 1, 2, 6, 10, 16])
def test_banding_finds_every_pair_that_comparing_all_finds(radius):
    hashes = random_hashes(400, 25)
    near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= radius
    expected = {(i, j) for i, j in zip(*np.nonzero(near), strict=True) if i < j}
    found = {(min(i, j), max(i, j)) for block in likeness.near_pairs(hashes, radius) for i, j in block.T}
    assert found == expected


def test_copies_are_grouped_and_other_images_are_not():
    images = [drawn(seed) for seed in range(30)]
    copies = [resaved(images[3], 80), np.clip(images[4] + 10.0, 0, 255).astype(np.uint8), images[5][::2, ::2]]
    copies.append(images[6][1:-1, 1:-1])
    groups = groups_of(images + copies)
    np.testing.assert_array_equal(groups, [*range(30), 3, 4, 5, 6])


def test_images_whose_hashes_are_alike_and_whose_pixels_are_not_are_apart():
    image = drawn(1)
    faded = (image * 0.3).astype(np.uint8)
    hashes = hashing.phash(np.stack([hashing.thumbnail(image[:, :, 0]), hashing.thumbnail(faded[:, :, 0])]))
    assert np.bitwise_count(hashes[0] ^ hashes[1]) <= 6
    assert groups_of([image, faded]).tolist() == [0, 1]


def test_a_chain_of_look_alikes_is_cut():
    steps = np.linspace(0, 1, 200)
    a, b = drawn(1).astype(float), drawn(2).astype(float)
    morphing = [((1 - step) * a + step * b).astype(np.uint8) for step in steps]
    sizes = np.bincount(groups_of(morphing, 16))
    assert len(sizes) > 1
    chained = np.bincount(groups_of(morphing[:40], 16))
    assert chained.max() == 40


def test_the_order_of_images_changes_the_numbers_of_groups_alone():
    images = [drawn(seed % 7) for seed in range(20)]
    groups, reversed_groups = groups_of(images), groups_of(images[::-1])[::-1]
    np.testing.assert_array_equal(groups[:, None] == groups, reversed_groups[:, None] == reversed_groups)


def test_one_image_is_one_group():
    assert groups_of([drawn(0)]).tolist() == [0]
