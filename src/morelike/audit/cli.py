"""The command line of the audit: a table on the terminal, and what else is asked for."""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

ABOUT = "Look for damaged, doubled, mislabelled and odd images. The images are read, never changed."
PASSES, FAILS, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
EXITS = "exit code: 0 passes; 1 a limit is breached or nothing is usable; 2 the audit could not run; 130 interrupted"
WIDTH_IN_A_FILE = 400  # columns of a table that is not on a terminal: lines are cut by who reads them


def main() -> None:
    """Run ``python -m morelike.audit``."""
    parser = argparse.ArgumentParser(prog="python -m morelike.audit", description=ABOUT, epilog=EXITS)
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an audit."""
    parser.add_argument("folder", metavar="FOLDER", help="a folder, .zip, .tar or folder of .tar shards")
    parser.add_argument("--params", metavar="FILE", help="a params.yaml, or a part of one, over the default rules")
    parser.add_argument(
        "--policy", metavar="CODE=POLICY", type=_policy, action="append", default=[], help="change one rule; repeatable"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with thumbnails of each fault")
    parser.add_argument("--json", metavar="FILE", help="write the findings as JSON; - is the standard output, alone")
    parser.add_argument("--fix", metavar="OUT", type=Path, help="write the accepted images, converted, to a new folder")
    parser.add_argument("--cache", metavar="FOLDER", type=Path, help="keep the facts of known files here")
    parser.add_argument("--workers", metavar="N", type=_count, help="processes; as many as cores if not given")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")


def run(arguments: argparse.Namespace) -> int:
    """Run the audit and return its exit code; an error is one line on stderr."""
    from morelike.core.errors import one_line

    try:
        return _audited(arguments)
    except Exception as error:
        if arguments.debug:
            raise
        print(f"morelike audit: {one_line(error)}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED


def _audited(arguments: argparse.Namespace) -> int:
    _check_places(arguments)
    from morelike.audit import audit, fix, page
    from morelike.core import files

    with contextlib.redirect_stdout(sys.stderr):  # progress; the standard output is for the result
        policies = dict(arguments.policy)
        found = audit(arguments.folder, arguments.params, policies, arguments.cache, arguments.workers)
        if arguments.html:
            page.write(found, arguments.html, arguments.workers)
        if arguments.fix and len(found.images):
            fix.write(found, arguments.fix, arguments.workers)
    if arguments.json == "-":
        _show(json.dumps(found.as_json(), indent=2, allow_nan=False))
    else:
        if arguments.json:
            files.write_json(Path(arguments.json), found.as_json())
        _show(table(found, sys.stdout.isatty()))
    return FAILS if found.failed else PASSES


def _check_places(arguments: argparse.Namespace) -> None:
    """Refuse at once what could not be written at the end.

    Raises:
        AuditError: if there is nothing to audit, or a place to write is taken or lies in the audited folder.
    """
    from morelike.audit.errors import AuditError
    from morelike.audit.places import check_free, check_readable, lies_in

    check_readable(arguments.folder)
    json_file = None if arguments.json in (None, "-") else Path(arguments.json)
    for option, path in (("html", arguments.html), ("json", json_file)):
        if path and path.is_dir():
            raise AuditError(f"--{option} {path}: expected the name of a file, got a folder")
    if arguments.fix:
        check_free(arguments.fix)
    for path in (arguments.html, json_file, arguments.fix, arguments.cache):
        if path and lies_in(path, arguments.folder):
            raise AuditError(f"{path}: lies in {arguments.folder}, where nothing is written; name a place outside it")


def table(found, terminal: bool) -> str:
    """Return what was found as a table and a few lines; with colours and frames on a ``terminal``."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from morelike.audit.audited import counted, lines
    from morelike.core.errors import printable

    console = Console(width=None if terminal else WIDTH_IN_A_FILE, highlight=False, markup=False, emoji=False)
    shown = Table(box=box.ROUNDED if terminal else None)
    for head in ("code", "count", "policy", "meaning", "first"):
        shown.add_column(head, overflow="fold")
    for one in counted(found):
        cells = (one["code"], f"{one['count']:,}", one["policy"], one["about"], printable(one["first"]))
        shown.add_row(*(Text(cell) for cell in cells))
    with console.capture() as captured:
        if shown.row_count:
            console.print(shown)
    rows = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join(rows + [printable(line) for line in lines(found.summary)])


def _show(text: str) -> None:
    """Print to the standard output, whatever its encoding; a reader that has gone, such as ``head``, is no error."""
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text}")
    return int(text)


def _policy(text: str) -> tuple[str, str]:
    code, equals, policy = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected CODE=POLICY such as blurred=fail, got {text}")
    return code, policy
