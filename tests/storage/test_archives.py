"""What kind of archive a file is, whatever it is called, and what of it is read."""

import bz2
import gzip
import lzma
import pickle
import zipfile

import pytest

from morelike.images.errors import ImageError
from morelike.storage import archives
from morelike.storage.errors import SourceError
from morelike.storage.sources import open_source
from tests.raw_trees import fill, make_tar, make_zip, placed, refused

CAT, DOG = {"cat/1.png": ("cat", "")}, {"dog/2.png": ("dog", "")}


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", "x/9.png").read_bytes()
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(make_tar(tmp_path / "b.tar", "cat/1.png", inner__zip=inner).read_bytes())
    assert zipfile.is_zipfile(tmp_path / "a.tar")
    source = open_source(tmp_path / "a.tar")
    assert placed(source) == CAT
    assert refused(source) == {"inner.zip": "not_an_image"}


def test_a_zip_with_a_tar_in_it_or_a_program_before_it_is_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.png", b"x")
        archive.write(make_tar(tmp_path / "b.tar", "x/9.png"), "inner.tar")
    source = open_source(tmp_path / "a.zip")
    assert placed(source) == CAT
    assert refused(source) == {"inner.tar": "not_an_image"}
    (tmp_path / "setup.exe").write_bytes(
        b"MZ" + b"\x90" * 1000 + make_zip(tmp_path / "c.zip", "cat/1.png").read_bytes()
    )
    assert open_source(tmp_path / "setup.exe").read("cat/1.png") == b"xcat/1.png"


@pytest.mark.parametrize("name", ["a.TAR", "a.data"])
def test_a_tar_is_known_by_its_first_bytes(tmp_path, name):
    assert placed(open_source(make_tar(tmp_path / name, "cat/1.png", "dog/2.png"))) == CAT | DOG


@pytest.mark.parametrize("blocks_between", [0, 7])
def test_joined_tars_are_read_as_one(tmp_path, blocks_between):
    parts = [make_tar(tmp_path / f"{name[:3]}.tar", name).read_bytes() for name in ("cat/1.png", "dog/2.png")]
    (tmp_path / "all.tar").write_bytes((b"\0" * 512 * blocks_between).join(parts))
    source = open_source(tmp_path / "all.tar")
    assert placed(source) == CAT | DOG
    assert source.read("dog/2.png") == b"xdog/2.png"


def test_bytes_after_the_end_of_a_tar_that_are_no_tar_are_refused(tmp_path):
    whole = make_tar(tmp_path / "a.tar", "cat/1.png").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole + b"?" * 512)
    with pytest.raises(SourceError, match=f"damaged after byte {len(whole)}"):
        open_source(tmp_path / "a.tar").entries()


@pytest.mark.parametrize(("mode", "suffix"), [("w:gz", ".tar.gz"), ("w:bz2", ".tbz2"), ("w:xz", ".TXZ"), ("w:gz", "")])
def test_a_compressed_tar_is_read_and_what_it_was_unpacked_to_goes(tmp_path, mode, suffix, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(fill(tmp_path / "temporary", "other.txt")))
    source = open_source(make_tar(tmp_path / f"moths{suffix}", "1.png", "2.png", mode=mode))
    assert placed(source) == {"1.png": ("moths", ""), "2.png": ("moths", "")}
    copy = pickle.loads(pickle.dumps(source))
    assert copy.read("2.png") == b"x2.png"
    del copy
    assert source.read("1.png") == b"x1.png"
    del source
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == ["other.txt"]


@pytest.mark.parametrize(("compress", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")])
def test_compressed_files_that_cannot_be_used_say_why(tmp_path, compress, suffix):
    whole = compress(make_tar(tmp_path / "a.tar", "cat/1.png").read_bytes())
    for data, why in ((whole[: len(whole) // 2], "fetch it again"), (compress(b"a picture"), "of another file")):
        (tmp_path / f"a.tar.{suffix}").write_bytes(data)
        with pytest.raises(SourceError, match=rf"a\.tar\.{suffix}: expected .*{why}"):
            open_source(tmp_path / f"a.tar.{suffix}")


def test_an_archive_that_grows_beyond_reason_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREELY_UNPACKED_BYTES", 2**20)
    make_tar(tmp_path / "a.tar.gz", mode="w:gz", zeros__png=bytes(2**22))
    with pytest.raises(SourceError, match="unpacks to more than 1048576 bytes"):
        open_source(tmp_path / "a.tar.gz")


@pytest.mark.parametrize(("head", "kind"), [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\x01", "rar")])
def test_other_archives_are_named_with_how_to_unpack_them(tmp_path, head, kind):
    (tmp_path / "a").write_bytes(head + bytes(600))
    with pytest.raises(SourceError, match=f"got a {kind} archive; unpack it with `"):
        open_source(tmp_path / "a")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "1.png").write_bytes(b"\x89PNG")
    with pytest.raises(SourceError, match=r"got another file; set data\.raw"):
        open_source(tmp_path / "1.png")


def test_shards_in_capitals_are_shards(tmp_path):
    make_tar(tmp_path / "raw/0.TAR", "cat/1.png")
    source = open_source(tmp_path / "raw")
    assert placed(source) == {"0.TAR/cat/1.png": ("cat", "")}
    assert source.read("0.TAR/cat/1.png") == b"xcat/1.png"
    with pytest.raises(ImageError, match="missing"):
        source.read("1.TAR/cat/1.png")
