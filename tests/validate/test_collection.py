"""What a file does to the process that decodes it costs nothing but that file."""

import importlib.metadata
import io

import numpy as np
import pytest
from PIL import Image

from morelike.images import jpeg
from morelike.storage import sources
from morelike.validate import cache, collection


def slow_jpeg():
    """A progressive JPEG of many scans over many pixels: seconds of work in a few KiB."""
    file = io.BytesIO()
    Image.new("RGB", (5000, 5000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    _, start, end = [found for found in jpeg.segments(data) if found[0] == jpeg.SCAN[1]][-1]
    return data[:-2] + data[start:end] * 60 + data[-2:]


@pytest.mark.parametrize("seconds", [0.6])
def test_a_file_that_takes_too_long_is_left_out_and_the_others_are_kept(tmp_path, monkeypatch, seconds):
    folder = tmp_path / "raw/c"
    folder.mkdir(parents=True)
    for row in range(4):
        noise = np.random.default_rng(row).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{row}.png")
    (folder / "2_slow.jpg").write_bytes(slow_jpeg())
    source = sources.open_source(tmp_path / "raw")
    monkeypatch.setattr(collection, "SECONDS_PER_FILE", seconds)
    table, _ = collection.collect(source, source.entries(), collection.Reading(52_000_000), tmp_path / "cache", 2)
    assert table["file"].tolist() == ["c/0.png", "c/1.png", "c/2.png", "c/2_slow.jpg", "c/3.png"]
    assert table["code"].tolist() == ["", "", "", "decode_error", ""]
    assert "more than 0.6 s of processor time" in table["detail"][3]
    assert table["width_px"].notna().tolist() == [True, True, True, False, True]


def test_facts_are_found_anew_once_an_optional_decoder_is_installed(monkeypatch):
    installed, honest = cache.key_of("morelike.validate.inspection"), importlib.metadata.version

    def without_pydicom(package):
        if package == "pydicom":
            raise importlib.metadata.PackageNotFoundError(package)
        return honest(package)

    monkeypatch.setattr(importlib.metadata, "version", without_pydicom)
    absent = cache.key_of("morelike.validate.inspection")
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "9" if package == "pydicom" else honest(package))
    assert absent not in (installed, cache.key_of("morelike.validate.inspection"))
