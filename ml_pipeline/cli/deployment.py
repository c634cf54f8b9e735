"""Files that run a code location on one machine or for a team, from those of the package."""

import contextlib
from pathlib import Path
from typing import Final, Literal

import ml_pipeline
from ml_pipeline.errors import SettingsError

Kind = Literal["one_machine", "team"]

_FILES: Final = Path(ml_pipeline.__file__).parent / "deploy"
_SHARED: Final[dict[Kind, tuple[str, ...]]] = {"one_machine": (), "team": ("dagster.yaml",)}
_MODULE: Final = "@MODULE@"
_HIDDEN: Final = "env.example"
"""A file of the package that begins with a dot once it is written."""


def write_deployment(kind: Kind, module: str, folder: Path) -> list[str]:
    """Write the files of a deployment; nothing that is there is written over.

    Args:
        kind: which one.
        module: the code location that is served.
        folder: where they go.

    Returns:
        The names of the files.

    Raises:
        SettingsError: if one of them is there, or nothing can be written.
    """
    texts = {
        f".{file.name}" if file.name == _HIDDEN else file.name: file.read_text(encoding="utf-8")
        for file in (
            *sorted((_FILES / kind).iterdir()),
            *(_FILES / name for name in _SHARED[kind]),
        )
    }
    there = [name for name in texts if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise SettingsError(
            f"Files of a deployment must not be there yet, but {folder} has {', '.join(there)}."
            " Take another folder, or move them away. Nothing was written."
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # Whoever was quicker keeps what they wrote.
            with (folder / name).open("x", encoding="utf-8") as file:
                written.append(folder / name)
                file.write(text.replace(_MODULE, module))
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise SettingsError(
            f"A deployment must be written into a folder that takes it, but {folder} does not:"
            f" {error.strerror}. Nothing was written."
        ) from error
    return sorted(texts)
