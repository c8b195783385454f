"""``python -m morelike.audit`` is ``morelike audit``."""

from morelike.audit import cli

if __name__ == "__main__":
    cli.main()
