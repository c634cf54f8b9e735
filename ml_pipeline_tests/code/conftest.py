from collections.abc import Callable
from typing import Any

import pytest

from ml_pipeline_tests.toys.packages import Files


@pytest.fixture
def asked(
    code_server: Callable[[dict[str, Any]], dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., dict[str, Any]]:
    """Write a package and return what is told of one of its functions."""

    def ask(
        files: Files,
        name: str = "stage",
        module: str = "team.stages",
        first: tuple[str, ...] = (),
        first_party: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("code")
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="")
        reply = code_server(
            {
                "path": str(folder),
                "module": module,
                "name": name,
                "first": list(first),
                "first_party": list(first_party),
            }
        )
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    return ask


@pytest.fixture
def fingerprint(asked: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """Write a package and return the fingerprint of one of its functions."""
    return lambda *given, **named: str(asked(*given, **named)["fingerprint"])


@pytest.fixture
def code_parts(asked: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, list[str]]]:
    """Write a package and return the names of the code that counts for one of its functions."""

    def names(*given: Any, **named: Any) -> dict[str, list[str]]:
        parts: dict[str, dict[str, str]] = asked(*given, **named)["parts"]
        return {module: sorted(digests) for module, digests in parts.items()}

    return names
