"""How the house is built: what a stranger may rely on when looking for a room."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_pipeline

HOUSE = Path(ml_pipeline.__file__).parent
ROOF = ("pipeline", "defs", "definitions.py", "docs")
"""The reference pipeline: one user of the toolkit among others."""


def modules() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def lines(module: Path) -> int:
    return len(module.read_text().splitlines())


def of_the_toolkit() -> Iterator[Path]:
    for module in modules():
        room = module.relative_to(HOUSE).parts[0]
        if room not in (*ROOF, "cli"):
            yield module


def test_modules_are_read_in_one_sitting() -> None:
    assert {str(module): lines(module) for module in modules() if lines(module) > 350} == {}
    assert statistics.median(map(lines, modules())) < 150
    tests = Path(__file__).parent.rglob("*.py")
    assert {str(module): lines(module) for module in tests if lines(module) > 500} == {}


def test_every_room_says_in_a_sentence_what_it_is() -> None:
    for module in modules():
        if module.name == "__init__.py" and module.parent != HOUSE:
            said = ast.get_docstring(ast.parse(module.read_text()))
            assert said is not None, module
            assert said.endswith("."), module


def test_toolkit_has_no_word_of_the_reference_pipeline() -> None:
    for module in of_the_toolkit():
        text = module.read_text()
        for word in ("ml_pipeline.defs", "ml_pipeline.pipeline", "PIPELINE,", "dataset=orders"):
            assert word not in text, f"{module} speaks of {word}"


def test_public_names_are_there_and_say_what_they_are() -> None:
    for name in ml_pipeline.__all__:
        value = getattr(ml_pipeline, name)
        assert name in dir(ml_pipeline)
        if callable(value):
            assert value.__doc__, name


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Pipelin'"):
        _ = ml_pipeline.Pipelin


@pytest.mark.parametrize("module", ["ml_pipeline", "ml_pipeline.errors", "ml_pipeline.cli.main"])
def test_import_brings_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'dagster', 'polars', 'numpy', 'sklearn', 'optuna', 'pydantic', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_page_about_the_house_names_what_there_is() -> None:
    page = (HOUSE / "docs" / "house.md").read_text()
    named = re.findall(r"`([\w/]+(?:/|\.py))`", page)
    assert len(named) > 30
    assert [name for name in named if not (HOUSE / name).exists()] == []
    rooms = {f"{room.name}/" for room in HOUSE.iterdir() if (room / "__init__.py").is_file()}
    assert rooms <= set(named)
