"""Raw data for tests: folders and archives of tiny files that hold their own name."""

import io
import tarfile
import zipfile


def fill(root, *names, data=b"x", **contents):
    """Write files that hold ``data`` and their name; and others, by name, with ``__`` for the dot."""
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data + name.encode())
    for name, content in contents.items():
        (root / name.replace("__", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def make_zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" + name.encode())
    return path


def add(archive, name, data, **attributes):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in attributes.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


def make_tar(path, *names, mode="w", **contents):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name in names:
            add(archive, name, b"x" + name.encode())
        for name, data in contents.items():
            add(archive, name.replace("__", "."), data)
    return path


def placed(source, **settings):
    return {entry.name: (entry.label, entry.split) for entry in source.listing(**settings).entries if not entry.code}


def refused(source, **settings):
    return {entry.name: entry.code for entry in source.listing(**settings).entries if entry.code}
