"""What of a text counts."""

from collections.abc import Callable

import pytest

from ml_pipeline_tests.toys.packages import PACKAGE, edited, one_module


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# a comment", "# another", id="comment"),
        pytest.param("return x * SCALE", "return (x\n                *   SCALE)", id="layout"),
        pytest.param("x * SCALE", "x*SCALE  # twice", id="spaces"),
        pytest.param('"""Scale it."""', '"""Scale it well."""', id="docstring of a helper"),
        pytest.param('"""First line."""', "", id="docstring of the stage removed"),
        pytest.param("def halved(x):", 'def halved(x):\n    "New."', id="docstring added"),
        pytest.param('"""Stages of the team."""', "", id="docstring of the module"),
        pytest.param("return x - 1", "return x - 2", id="unrelated function in the module"),
        pytest.param("UNUSED = 1", "UNUSED = 2", id="unrelated constant"),
        pytest.param("default=0.1", "default=0.2", id="default of a parameter"),
        pytest.param("gt=0", "ge=0, le=1", id="bounds of a parameter"),
        pytest.param("rate: float", "depth: int = 3\n    rate: float", id="new parameter"),
        pytest.param(
            "rate: float",
            "formerly = 'old'\n    retired = {'decay': 0.9}\n    rate: float",
            id="what a group was before",
        ),
        pytest.param("import math\n", "import math\nimport json\n", id="unused import"),
    ],
)
def test_edit_that_changes_no_result_keeps_the_fingerprint(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    assert fingerprint(edited(PACKAGE, old, new)) == fingerprint(PACKAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("(x: int) -> float:", "(x: int) -> int:", id="annotation of what is returned"),
        pytest.param("cleaned(x: int) -> int", "cleaned(x: str)", id="annotations of a helper"),
        pytest.param("stage(x: int,", "stage(x: 'float',", id="annotation of the stage"),
        pytest.param("SCALE: Final[float] =", "SCALE =", id="annotation of a constant"),
    ],
)
def test_annotation_counts_as_what_is_computed_may_depend_on_it(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    assert fingerprint(edited(PACKAGE, old, new)) != fingerprint(PACKAGE)


def test_order_of_definitions_does_not_count(fingerprint: Callable[..., str]) -> None:
    parts = ["A = 1\n", "def stage(x): return h(x) + A\n", "def h(x): return x\n"]
    assert fingerprint(one_module("".join(parts))) == fingerprint(one_module("".join(parts[::-1])))


def test_line_endings_do_not_count(fingerprint: Callable[..., str]) -> None:
    dos = {path: text.replace("\n", "\r\n") for path, text in PACKAGE.items()}
    assert fingerprint(dos) == fingerprint(PACKAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("kept = win", "kept = 1 + win", id="the stage"),
        pytest.param("x * SCALE", "x + SCALE", id="helper in the module"),
        pytest.param("SCALE: Final[float] = 2.0", "SCALE = 3.0", id="constant in the module"),
        pytest.param("function(*args) + 0", "function(*args) + 1", id="decorator of a helper"),
        pytest.param("@traced", "", id="decorator of a helper removed"),
        pytest.param("return normal(x)", "return -normal(x)", id="from-import"),
        pytest.param("return x + 10", "return x + 11", id="helper of a helper"),
        pytest.param("cleaned as clean, unused", "unused as clean", id="another import"),
        pytest.param("return x - n", "return x + n", id="attribute of an imported module"),
        pytest.param("n=30", "n=31", id="default of an argument"),
        pytest.param("return x * FACTORS", "return 1 + FACTORS", id="dotted import"),
        pytest.param("{'a': 40}", "{'a': 41}", id="constant in another module"),
        pytest.param("self.side() ** 70", "self.side() ** 71", id="method"),
        pytest.param("self.x = x", "self.x = -x", id="constructor"),
        pytest.param("self.edge + 60", "self.edge + 61", id="inherited method"),
        pytest.param("edge = 50", "edge = 51", id="inherited constant"),
        pytest.param("class Box(Base)", "class Box(object)", id="base class"),
        pytest.param("return x / 80", "return x / 81", id="re-export through a package"),
        pytest.param("return x + 20", "return x + 21", id="rest of an imported module"),
        pytest.param("round(x, 90)", "round(x, 91)", id="import inside the function"),
        pytest.param("def rounded(x):", "async def rounded(x):", id="async"),
    ],
)
def test_edit_that_changes_a_result_changes_the_fingerprint(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    assert fingerprint(edited(PACKAGE, old, new)) != fingerprint(PACKAGE)


@pytest.mark.parametrize(
    "text",
    [
        "def h(): '@'\ndef stage(x): return h.__doc__\n",
        "import inspect\nclass C: '@'\ndef stage(x): return inspect.getdoc(C)\n",
        "'@'\ndef stage(x): return __doc__\n",
        "def stage(x):\n    '@'\n    return stage.__doc__\n",
        (
            "from typing import get_type_hints\ndef h() -> list['@']: ...\n"
            "def stage(x): return get_type_hints(h)\n"
        ),
        "if __name__ != '__main__':\n    K = '@'\ndef stage(x): return K\n",
        "K = 0\nif __name__ == 'team.stages':\n    K = '@'\ndef stage(x): return K\n",
    ],
    ids=["docstring", "of a class", "of a module", "its own", "returned", "not main", "own name"],
)
def test_what_a_module_reads_of_itself_counts(fingerprint: Callable[..., str], text: str) -> None:
    files = one_module(text)
    assert fingerprint(files) != fingerprint(edited(files, "@", "int"))


def test_what_only_a_script_executes_does_not_count(fingerprint: Callable[..., str]) -> None:
    files = one_module("def stage(x): return x\nif __name__ == '__main__':\n    stage = print\n")
    assert fingerprint(files) == fingerprint(edited(files, "print", "repr"))
