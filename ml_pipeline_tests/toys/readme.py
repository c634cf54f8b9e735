"""The pipeline of one's own that the README shows, as the package of a project."""

import re
from pathlib import Path
from typing import Final

_README: Final = Path(__file__).parents[2] / "README.md"


def own_pipeline() -> str:
    """Return the module that the README shows."""
    bodies = re.findall(r"^```python\n(.*?)^```$", _README.read_text(), re.M | re.S)
    (body,) = (body for body in bodies if "code_location(" in body)
    return str(body)


def write_houses(folder: Path, beside: str = "") -> Path:
    """Write the package `houses`, whose code location is `houses.definitions`; return its folder.

    Args:
        folder: of the project.
        beside: code after that of the README.
    """
    package = folder / "houses"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "definitions.py").write_text(f"{own_pipeline()}\n{beside}")
    return package
