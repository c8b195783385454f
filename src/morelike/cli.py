"""The command ``morelike``: a subcommand for each thing that works without the pipeline."""

import argparse
import sys

import morelike
from morelike.audit import cli as audit

COMMANDS = {"audit": audit}


def main() -> None:
    """Run the subcommand that the command line names, and exit with its code."""
    parser = argparse.ArgumentParser(prog="morelike", description="More images like these.")
    parser.add_argument("--version", action="version", version=f"morelike {morelike.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = subparsers.add_parser(name, help=command.ABOUT, description=command.ABOUT, epilog=command.EXITS)
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    arguments = parser.parse_args()
    sys.exit(arguments.run(arguments))
