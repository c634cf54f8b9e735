"""Fingerprints in other places and processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.code.fingerprint import SCHEME, fingerprint_of
from ml_pipeline.errors import PipelineError
from ml_pipeline_tests.toys.packages import LIB, PACKAGE, Files, edited, one_module


@pytest.mark.parametrize(
    ("files", "first"),
    [
        (one_module("def stage(x):\n    import polars as pl\n    return pl.DataFrame(x)\n"),
         "polars"),
        (one_module("def stage(x):\n    from sklearn.linear_model import Ridge as R\n"
                    "    return R()\n"),
         "sklearn.linear_model"),
        (one_module("def stage(x):\n    import json.decoder\n    return json.decoder.scanstring\n"),
         "json.decoder"),
        (one_module("def stage(x):\n    from team import lib\n    return lib.f(x)\n", lib=LIB),
         "team.lib"),
        (one_module("def stage(x):\n    from ml_pipeline.runs.stage import Result as R\n"
                    "    return R(x)\n"),
         "ml_pipeline.runs.stage"),
    ],
    ids=["polars", "sklearn", "stdlib", "own", "toolkit"],
)  # fmt: skip
def test_what_is_imported_already_does_not_count(
    fingerprint: Callable[..., str], files: Files, first: str
) -> None:
    assert fingerprint(files) == fingerprint(files, first=(first,))


def test_what_is_installed_does_not_count(fingerprint: Callable[..., str]) -> None:
    files = {
        "main.py": (
            "import pathlib, sys\n"
            "sys.path.insert(0, str(pathlib.Path(__file__).parent / 'site-packages'))\n"
            "import third\n"
            "def stage(x): return third.f(x)\n"
        ),
        "site-packages/third.py": LIB,
    }
    other = edited(files, "+ 1", "+ 2")
    assert fingerprint(files, module="main") == fingerprint(other, module="main")


def test_own_package_counts_wherever_it_is_installed(fingerprint: Callable[..., str]) -> None:
    installed = {
        "main.py": (
            "import pathlib, sys\n"
            "sys.path.insert(0, str(pathlib.Path(__file__).parent / 'site-packages'))\n"
            "from team.stages import stage\n"
        )
    } | {f"site-packages/{path}": text for path, text in PACKAGE.items()}
    other = edited(installed, "return x + 10", "return x + 11")
    assert fingerprint(installed, module="main") == fingerprint(PACKAGE)
    assert fingerprint(other, module="main") != fingerprint(PACKAGE)


def test_folder_of_a_package_does_not_count(fingerprint: Callable[..., str]) -> None:
    assert fingerprint(PACKAGE) == fingerprint(PACKAGE)  # a new folder each time


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_hash_seed_does_not_count(
    fingerprint: Callable[..., str], run_python: Callable[..., str], tmp_path: Path, seed: str
) -> None:
    for path, text in PACKAGE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    printed = run_python(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ml_pipeline.code.fingerprint import fingerprint_of\n"
        "from team.stages import stage\n"
        "print(fingerprint_of(stage).digest)",
        str(tmp_path),
        PYTHONHASHSEED=seed,
    )
    assert printed.strip() == fingerprint(PACKAGE)


def test_namespace_package_is_followed(fingerprint: Callable[..., str]) -> None:
    files = {
        "space/lib.py": LIB,
        "space/main.py": "import space.lib\ndef stage(x): return space.lib.f(x)\n",
    }
    other = edited(files, "+ 1", "+ 2")
    assert fingerprint(files, module="space.main") != fingerprint(other, module="space.main")


def test_recursion_ends(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def even(x): return x == 0 or odd(x - 1)\n"
        "def odd(x): return x != 0 and even(x - 1)\n"
        "def stage(x): return even(x) or stage(x - 9)\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "x != 0", "x > 0"))


def test_import_cycle_ends(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "from team import lib\ndef stage(x): return lib.f(x)\ndef back(x): return x - 5\n",
        lib="from team import stages\ndef f(x): return stages.back(x) + f2(x)\n"
        "def f2(x): return stages.stage\n",
    )
    assert fingerprint(files) != fingerprint(edited(files, "x - 5", "x - 6"))


def test_function_within_a_function_has_a_fingerprint(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def make():\n    def stage(x):\n        return x + 1\n    return stage\nstage = make()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "+ 1", "+ 2"))


def test_method_has_a_fingerprint(fingerprint: Callable[..., str]) -> None:
    files = one_module("class C:\n    @staticmethod\n    def m(x):\n        return x + 1\n")
    other = edited(files, "+ 1", "+ 2")
    assert fingerprint(files, name="C.m") != fingerprint(other, name="C.m")


def test_function_without_source_is_refused_with_advice() -> None:
    namespace: dict[str, Any] = {"__name__": "interactive"}
    exec("def typed(x): return x", namespace)
    with pytest.raises(PipelineError) as caught:
        fingerprint_of(namespace["typed"])
    assert str(caught.value) == (
        "The code of 'typed' must be readable to tell when it changes, but its source cannot be"
        " found. Put it in a file, or declare a code_version."
    )


def test_fingerprint_is_sixteen_hexadecimal_digits(fingerprint: Callable[..., str]) -> None:
    assert len(fingerprint(PACKAGE)) == 16
    int(fingerprint(PACKAGE), 16)


GOLDEN = one_module(
    "from .lib import helped\nSCALE = 2\n@pipeline.asset\ndef stage(x: int) -> int:\n"
    '    "Say so."\n    return helped(x) * SCALE\n'.replace("@pipeline.asset\n", ""),
    lib="LIMIT = 3\n\ndef helped(x):\n    return min(x, LIMIT)\n\nclass Other: pass\n",
)


def test_parts_name_what_counts_by_module(code_parts: Callable[..., dict[str, list[str]]]) -> None:
    assert code_parts(GOLDEN) == {
        "team.lib": ["", "Other", "helped"],
        "team.stages": ["SCALE", "import helped", "stage"],
    }


def test_fingerprint_of_a_known_text_stays_what_it_is(fingerprint: Callable[..., str]) -> None:
    # Another number makes every result of every team be computed again: count SCHEME up then.
    assert fingerprint(GOLDEN) == "4e49f39ae8a524fd"
    assert SCHEME == 3


TOOLKIT = "from ml_pipeline import text\ndef stage(x): return text, x\n"


def test_code_of_the_toolkit_does_not_count_for_a_pipeline_of_somebody_else(
    code_parts: Callable[..., dict[str, list[str]]],
) -> None:
    assert code_parts(one_module(TOOLKIT)) == {"team.stages": ["import text", "stage"]}


def test_code_of_the_toolkit_counts_where_a_pipeline_says_so(
    code_parts: Callable[..., dict[str, list[str]]],
) -> None:
    parts = code_parts(one_module(TOOLKIT), first_party=["team", "ml_pipeline.text"])
    assert set(parts) == {"team.stages", "ml_pipeline.text"}


def test_code_that_is_installed_counts_where_a_pipeline_says_so(
    code_parts: Callable[..., dict[str, list[str]]],
) -> None:
    files = {
        "main.py": "import pathlib, sys\n"
        "sys.path.insert(0, str(pathlib.Path(__file__).parent / 'site-packages'))\n"
        "import own, third\ndef stage(x): return own.f(x), third.f(x)\n",
        "site-packages/own.py": LIB,
        "site-packages/third.py": LIB,
    }
    assert set(code_parts(files, module="main")) == {"main"}
    assert set(code_parts(files, module="main", first_party=["main", "own"])) == {"main", "own"}
