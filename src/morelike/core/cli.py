"""The command line of a stage: arguments in, one clear line out. Only this module prints errors."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import get_args

STATE = Path(".morelike")  # outside the outs, which DVC deletes before a stage runs


def run(main: Callable[..., None], **answers: Callable[[str], str]) -> None:
    """Call ``main`` with its parameters taken from the command line, each as ``--name VALUE`` of its annotated type.

    Each of ``answers`` is an option ``--name VALUE`` that prints what it returns and ends, as ``--help`` does.

    Every error ends as one line on stderr and exit code 1, without a traceback unless ``--debug`` is given; an
    interrupt as exit code 130.
    """
    from morelike.core.errors import one_line

    parser = argparse.ArgumentParser(description=sys.modules[main.__module__].__doc__)
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    for name, answer in answers.items():
        parser.add_argument(f"--{name}", action=_Answer, answer=answer, metavar=name.upper(), help=answer.__doc__)
    for name, parameter in inspect.signature(main).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=name, type=_type(parameter.annotation), required=required, default=default)
    arguments = vars(parser.parse_args())
    debug = arguments.pop("debug")
    for name in answers:
        del arguments[name]
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a name has
    try:
        main(**arguments)
    except Exception as error:
        if debug:
            raise
        stage = sys.modules[main.__module__].__spec__.name.rpartition(".")[2]
        sys.exit(f"{stage}: {one_line(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _type(annotation: type) -> type:
    """Return the type that is not None, of one such as ``Path | None``."""
    return next((kind for kind in get_args(annotation) if kind is not NoneType), annotation)


class _Answer(argparse.Action):
    """Prints an answer and ends the program."""

    def __init__(self, answer: Callable[[str], str], **options):
        super().__init__(**options)
        self.answer = answer

    def __call__(self, parser, _namespace, value, _option=None):
        """Print what is asked for."""
        from morelike.core.errors import MorelikeError

        try:
            print(self.answer(value))
        except MorelikeError as error:
            parser.error(str(error))
        parser.exit()
