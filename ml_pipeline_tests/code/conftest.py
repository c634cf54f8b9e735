from collections.abc import Callable
from typing import Any

import pytest

from ml_pipeline_tests.toys.packages import Files


@pytest.fixture
def fingerprint(
    code_server: Callable[[dict[str, Any]], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., str]:
    """Write a package and return the fingerprint of one of its functions."""

    def ask(
        files: Files, name: str = "stage", module: str = "team.stages", first: tuple[str, ...] = ()
    ) -> str:
        folder = tmp_path_factory.mktemp("code")
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="")
        reply = code_server(
            {"path": str(folder), "module": module, "name": name, "first": list(first)}
        )
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["fingerprint"]

    return ask
