"""How the house is built: what a stranger may rely on when looking for a room."""

import ast
import dataclasses
import inspect
import re
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import ml_pipeline

ATTRIBUTE = inspect.Parameter.KEYWORD_ONLY
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


def documented(name: str) -> Iterator[tuple[str, object, str]]:
    """Yield what a public name lets a user call or make, each with what its docstring says."""
    value = getattr(ml_pipeline, name)
    said = inspect.getdoc(value) or ""
    if not inspect.isclass(value):
        if callable(value):
            yield name, value, said
        return
    fields = [one.name for one in dataclasses.fields(value)] if is_dataclass(value) else []
    fields += getattr(value, "model_fields", {})
    made = inspect.Signature([inspect.Parameter(one, ATTRIBUTE) for one in fields if one[0] != "_"])
    yield name, made, said
    for method, function in vars(value).items():
        if inspect.isfunction(function) and (method[0] != "_" or method == "__init__"):
            if method == "__init__" and is_dataclass(value):
                continue
            own = inspect.getdoc(function) or ""
            yield f"{name}.{method}", function, own


def unsaid(name: str) -> Iterator[str]:
    """Yield what the docstrings of a public name leave out."""
    for place, value, said in documented(name):
        if not said:
            yield f"{place} has no docstring"
        signature = value if isinstance(value, inspect.Signature) else inspect.signature(value)
        for parameter in signature.parameters:
            if parameter != "self" and not re.search(rf"\b{parameter}\b", said):
                yield f"{place} does not say what '{parameter}' is"
        if not inspect.isfunction(value):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))).body
        raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(tree))
        if raises and "Raises:" not in said:
            yield f"{place} does not say what it raises"
        returned = signature.return_annotation
        first = said.partition("\n")[0]
        is_said = re.search(r"(?i)return|yield|whether|^where", first) or "Returns:" in said
        if returned not in (None, "None") and not is_said and not place.endswith("__init__"):
            yield f"{place} does not say what it returns"


def test_public_names_are_there_and_say_what_they_take_and_give() -> None:
    assert set(ml_pipeline.__all__) <= set(dir(ml_pipeline))
    assert [line for name in ml_pipeline.__all__ for line in unsaid(name)] == []


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
