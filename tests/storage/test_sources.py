import os
import pickle
import tarfile
from pathlib import Path

import pytest

from morelike.images.errors import ImageError
from morelike.storage import layout, sources
from morelike.storage.errors import SourceError
from morelike.storage.labels import Entry
from tests.raw_trees import add, fill, make_tar, make_zip, placed, refused


def test_class_folders_are_labels_and_deeper_folders_belong_to_them(tmp_path):
    source = sources.open_source(fill(tmp_path, "cat/1.png", "cat/old/b/2.png", "dog/1.png"))
    assert placed(source) == {"cat/1.png": ("cat", ""), "cat/old/b/2.png": ("cat", ""), "dog/1.png": ("dog", "")}


def test_a_flat_folder_is_one_class_named_as_the_folder(tmp_path):
    assert placed(sources.open_source(fill(tmp_path / "moths", "a.png"))) == {"a.png": ("moths", "")}


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_splits_on_top_are_kept(tmp_path, val):
    names = ["train/cat/1.png", f"{val}/cat/2.png", "test/cat/deep/3.png"]
    splits = {names[0]: ("cat", "train"), names[1]: ("cat", "val"), names[2]: ("cat", "test")}
    assert placed(sources.open_source(fill(tmp_path, *names))) == splits


def test_splits_without_class_folders_are_one_class(tmp_path):
    source = sources.open_source(fill(tmp_path, "train/1.png", "test/2.png"))
    assert placed(source) == {"train/1.png": ("all", "train"), "test/2.png": ("all", "test")}


def test_a_class_called_train_among_others_is_a_class(tmp_path):
    source = sources.open_source(fill(tmp_path, "train/1.png", "bus/2.png"))
    assert placed(source) == {"train/1.png": ("train", ""), "bus/2.png": ("bus", "")}


def test_an_image_beside_the_class_folders_or_splits_is_stray_and_a_text_is_not(tmp_path):
    source = sources.open_source(fill(tmp_path / "a", "cat/1.png", "2.png", "README.md"))
    assert refused(source) == {"2.png": "stray"}
    source = sources.open_source(fill(tmp_path / "b", "train/c/1.png", "test/c/1.png", "more/c/1.png"))
    assert refused(source) == {"more/c/1.png": "stray"}


def test_junk_is_skipped_and_counted(tmp_path):
    fill(tmp_path, "cat/1.png", "cat/.DS_Store", "__MACOSX/cat/._1.png", "Thumbs.db", ".git/config", "cat/Desktop.ini")
    source = sources.open_source(tmp_path)
    assert [entry.name for entry in source.entries()] == ["cat/1.png"]
    assert source.skipped() == {"junk": 5}


def test_links_inside_are_read_and_links_outside_are_refused(tmp_path):
    outside = fill(tmp_path / "outside", "secret.png", "cat/1.png")
    root = fill(tmp_path / "root", "cat/1.png")
    (root / "cat/inside.png").symlink_to(root / "cat/1.png")
    (root / "cat/outside.png").symlink_to(outside / "secret.png")
    (root / "cat/broken.png").symlink_to(root / "nowhere")
    (root / "dogs").symlink_to(outside / "cat")
    source = sources.open_source(root)
    assert set(placed(source)) == {"cat/1.png", "cat/inside.png"}
    assert set(refused(source)) == {"cat/outside.png", "cat/broken.png", "dogs"}
    assert source.read("cat/inside.png") == source.read("cat/1.png")
    for name in ("cat/outside.png", "../outside/secret.png", "dogs/1.png"):
        with pytest.raises(ImageError, match="link_out"):
            source.read(name)


def test_a_pipe_does_not_hang(tmp_path):
    fill(tmp_path, "cat/1.png")
    os.mkfifo(tmp_path / "cat/pipe.png")
    source = sources.open_source(tmp_path)
    assert refused(source) == {"cat/pipe.png": "unreadable"}
    with pytest.raises(ImageError, match="regular"):
        source.read("cat/pipe.png")


def test_a_name_that_is_not_utf8_is_refused_under_a_printable_name(tmp_path):
    fill(tmp_path, "cat/1.png")
    with open(os.fsencode(tmp_path) + b"/cat/\xff.png", "wb"):
        pass
    assert refused(sources.open_source(tmp_path)) == {"cat/\\xff.png": "unreadable"}


def test_folder_zip_and_tar_of_the_same_files_are_the_same(tmp_path):
    names = ["dog/2.png", "cat/10.png", "cat/9.png"]
    everywhere = [
        fill(tmp_path / "raw", *names),
        make_zip(tmp_path / "raw.zip", *names),
        make_tar(tmp_path / "raw.tar", *names),
    ]
    opened = [pickle.loads(pickle.dumps(sources.open_source(path))) for path in everywhere]
    assert opened[0].entries() == opened[1].entries() == opened[2].entries()
    assert [entry.name for entry in opened[0].entries()] == sorted(names)
    for source in opened:
        assert all(source.read(name) == b"x" + name.encode() for name in names)


def test_an_archive_is_looked_into_through_the_folder_around_all_of_it(tmp_path):
    source = sources.open_source(
        make_zip(tmp_path / "set.zip", "set/train/cat/1.png", "set/test/cat/2.png", "set/a.txt")
    )
    assert placed(source)["set/train/cat/1.png"] == ("cat", "train")
    assert placed(source)["set/test/cat/2.png"] == ("cat", "test")


def test_members_that_escape_or_link_or_repeat_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped = make_zip(
            tmp_path / "a.zip", "cat/1.png", "cat/1.png", "../evil.png", "/etc/evil.png", "c/..\\..\\e.png"
        )
    source = sources.open_source(zipped)
    assert set(placed(source)) == {"cat/1.png"}
    assert len(refused(source)) == 4
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add(archive, "cat/1.png", b"x")
        add(archive, "cat/../../evil.png", b"x")
        add(archive, "cat/link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    source = sources.open_source(tmp_path / "a.tar")
    assert set(placed(source)) == {"cat/1.png"}
    for name in refused(source):
        with pytest.raises(ImageError, match="unreadable"):
            source.read(name)


def test_webdataset_shards_bring_their_labels(tmp_path):
    make_tar(tmp_path / "0.tar", **{"a__jpg": b"A", "a__cls": b"3\n", "a__json": b"{}", "b__jpg": b"B", "b__cls": b"5"})
    make_tar(tmp_path / "1.tar", "cat/c.jpg")
    source = sources.open_source(tmp_path)
    assert placed(source) == {"0.tar/a.jpg": ("3", ""), "0.tar/b.jpg": ("5", ""), "1.tar/cat/c.jpg": ("cat", "")}
    assert source.skipped() == {"annotation": 3}
    assert source.read("0.tar/b.jpg") == b"B"


def test_shards_give_their_split_by_folder_or_by_name(tmp_path):
    for name in ("train-0.tar", "val-0.tar"):
        make_tar(tmp_path / "a" / name, a__jpg=b"A", a__cls=b"1")
    assert set(placed(sources.open_source(tmp_path / "a")).values()) == {("1", "train"), ("1", "val")}
    for name in ("train/0.tar", "test/0.tar"):
        make_tar(tmp_path / "b" / name, a__jpg=b"A", a__cls=b"1")
    assert set(placed(sources.open_source(tmp_path / "b")).values()) == {("1", "train"), ("1", "test")}


def test_a_label_that_would_climb_out_of_a_folder_is_refused(tmp_path):
    source = sources.open_source(make_tar(tmp_path / "a.tar", a__jpg=b"A", a__cls=b"../../x"))
    assert refused(source) == {"a.jpg": "no_label"}


def test_damaged_archives_say_so(tmp_path):
    whole = make_tar(tmp_path / "a.tar", "cat/1.png", "cat/2.png").read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:1024] + b"?" * 512 + whole[1536:])
    with pytest.raises(SourceError, match=r"damaged after byte 1024"):
        sources.open_source(tmp_path / "b.tar").entries()
    zipped = bytearray(make_zip(tmp_path / "a.zip", "cat/1.png").read_bytes())
    zipped[zipped.index(b"xcat")] ^= 1
    (tmp_path / "b.zip").write_bytes(zipped)
    with pytest.raises(ImageError, match="unreadable"):
        sources.open_source(tmp_path / "b.zip").read("cat/1.png")


def test_what_is_no_source_is_refused_with_what_was_expected(tmp_path):
    for name in ("nothing", "a.tar.gz"):
        (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b")
        with pytest.raises(SourceError, match="expected"):
            sources.open_source(tmp_path / name)


def test_a_file_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 4)
    with pytest.raises(ImageError, match="bomb"):
        sources.open_source(fill(tmp_path, "cat/1.png")).read("cat/1.png")


def test_a_missing_file_is_called_missing(tmp_path):
    with pytest.raises(ImageError, match="missing: No such file"):
        sources.open_source(fill(tmp_path, "cat/1.png")).read("cat/2.png")


def test_arranging_does_not_depend_on_the_order_of_listing():
    files = [Entry(name) for name in ("b/2.png", "a/1.png", "c.png")]
    assert layout.arrange(files, Path("x"), False) == layout.arrange(files[::-1], Path("x"), False)
