"""The audit on its own, without the pipeline: ``morelike audit FOLDER``, and :func:`audit` for notebooks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from morelike.audit.audited import Audited


def audit(
    folder: Path | str,
    params: Path | str | None = None,
    policies: Mapping[str, str] | None = None,
    cache: Path | str | None = None,
    workers: int | None = None,
) -> "Audited":
    """Audit raw images; nothing is written but ``cache``.

    Args:
        folder: a folder, a ``.zip``, a ``.tar`` or a folder of ``.tar`` shards, with a subfolder per class or split.
        params: a ``params.yaml``, or a part of one, whose values replace the defaults.
        policies: what becomes of some faults, by code, over those of ``params``: ``{"blurred": "fail"}``.
        cache: a folder that keeps the facts of known files, so that the next audit decodes the new ones alone.
        workers: the number of processes, as many as cores if None.

    Raises:
        SourceError: if there is nothing to audit at ``folder``.
        ParamsError: if a value in ``params`` or ``policies`` cannot be.
    """
    from morelike.audit import audited, defaults  # not above: the command line answers before pandas is loaded

    return audited.audit(folder, defaults.read(params, policies), cache, workers)
