"""Build the package with ``params.yaml`` in it, so that an installed one has the project's default rules."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithParams(build_py):
    """Copies ``params.yaml`` beside the modules; an editable install finds the one of the checkout."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            self.copy_file("params.yaml", str(Path(self.build_lib, "morelike")))


setup(cmdclass={"build_py": WithParams})
