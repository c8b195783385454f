"""The results of a search: every trial, how much each parameter matters, and the winning ``params.yaml``."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows import pipeline
from flows.tuning.study import FEWEST_FOR_IMPORTANCE, Study
from morelike.core import files

STATES = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed"}


def rows(study: Study) -> list[dict[str, Any]]:
    """Return a row per trial that is over; a pruned one has the value of its last evaluation."""
    return [
        {
            "number": trial.number,
            "state": STATES[trial.state.name],
            study.search.metric_key: trial.value,
            **trial.params,
            "images_seen": trial.user_attrs.get("images_seen"),
            "experiment": trial.user_attrs.get("experiment"),
            "message": trial.user_attrs.get("message"),
        }
        for trial in study.finished()
    ]


def write(study: Study, params: str, folder: Path) -> str | None:
    """Write ``trials.csv``, ``importance.csv`` and ``params.yaml``; return the text of the last, None without a winner.

    ``params`` is the text of the params file that the search began with.
    """
    own = ["number", "state", study.search.metric_key, *study.drawn, "images_seen", "experiment", "message"]
    files.write_text(folder / "trials.csv", _csv(own, rows(study)))
    shares = [{"parameter": name, "importance": share} for name, share in study.importance().items()]
    files.write_text(folder / "importance.csv", _csv(["parameter", "importance"], shares))
    best = study.best()
    if best is None:
        (folder / "params.yaml").unlink(missing_ok=True)
        return None
    winning = pipeline.with_values(params, best.params)
    files.write_text(folder / "params.yaml", winning)
    return winning


def show(study: Study, say: Callable[[str], None]) -> None:
    """Say how every trial ended, how much each parameter matters, and which trial won."""
    keys = ["number", "state", study.search.metric_key, *study.drawn, "images_seen"]
    head = ["trial", "state", study.search.metric_key, *titles(list(study.drawn)), "images seen"]
    _table(head, [[_cell(row[key]) for key in keys] for row in rows(study)], say)
    shares = study.importance()
    if shares:
        _table(["parameter", "importance"], [[name, f"{share:.1%}"] for name, share in shares.items()], say)
    else:
        say(f"importance: it takes {FEWEST_FOR_IMPORTANCE} completed trials that are not all alike to tell")
    best = study.best()
    if best:
        say(f"best: trial {best.number}, {study.search.metric_key} {_cell(best.value)}, {described(best)}")


def titles(names: list[str]) -> list[str]:
    """Shorten dotted names to their last part where that is unique.

    >>> titles(["models.vae.width", "models.dae.width", "train.batch_size"])
    ['models.vae.width', 'models.dae.width', 'batch_size']
    """
    last = [name.rpartition(".")[2] for name in names]
    return [short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)]


def described(trial: Any) -> str:
    """Return the values of a trial in one line."""
    return ", ".join(f"{name} {_cell(value)}" for name, value in trial.params.items())


def _table(head: list[str], lines: list[list[str]], say: Callable[[str], None]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Column, Table

        table = Table(*(Column(name, overflow="fold") for name in head))
        for line in lines:
            table.add_row(*line)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    for line in [head, *lines]:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def _csv(columns: list[str], lines: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _plain(value: Any) -> Any:
    return files.spreadsheet_safe(value) if isinstance(value, str) else value
