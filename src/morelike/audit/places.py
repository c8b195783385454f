"""Where an audit may write: never into the folder that it reads, never over what is there."""

from pathlib import Path

from morelike.audit.errors import AuditError


def check_readable(folder: Path | str) -> None:
    """Check that there is something to audit.

    Raises:
        AuditError: if there is not.
    """
    if not Path(folder).exists():
        raise AuditError(f"{folder}: no such folder or file; name a folder, .zip or .tar of images")


def check_free(out: Path | str) -> Path:
    """Return the whole path of a folder to write, which must be empty or absent.

    Raises:
        AuditError: if something is there.
    """
    path = Path(out).resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise AuditError(f"{out}: expected an empty folder or none, as nothing is overwritten; name another one")
    return path


def lies_in(path: Path | str, root: Path | str) -> bool:
    """Tell whether ``path`` is ``root`` or below it."""
    return Path(path).resolve().is_relative_to(Path(root).resolve())
