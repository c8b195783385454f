"""How the audit starts its worker processes out of a script or a notebook that it knows nothing of."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Let workers start without importing the script that started them.

    They need nothing of it. One that calls the audit outside ``if __name__ == "__main__":`` would start anew in each.
    """
    main = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(kept)
