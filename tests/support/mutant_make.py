"""Makes the mutants of the sources named in pyproject.toml, and runs nothing: `mutmut run` would also run all tests.

python mutant_make.py          in a copy of the tree; the mutants go to mutants/
"""

from __future__ import annotations

from pathlib import Path

from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir


def make() -> None:
    """As the first steps of `mutmut run`."""
    config()
    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(1)


if __name__ == "__main__":
    make()
