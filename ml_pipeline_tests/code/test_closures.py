"""What functions hold that their text does not tell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_pipeline.code.fingerprint import fingerprint_of
from ml_pipeline.errors import PipelineError
from ml_pipeline_tests.toys.packages import Files, edited, one_module

MADE = (
    "import collections, dataclasses, datetime, decimal, enum, functools, pathlib, re, types\n"
    "from . import lib\n"
    "from .lib import *\n"
    "def make(held):\n    def stage(x): return held\n    return stage\n"
    "pipeline = types.SimpleNamespace(asset=lambda f: f)\n"
    "UNRELATED = 30\n"
    "stage = pipeline.asset(make({}))\n"
)
HELD = (
    "import collections, dataclasses, enum\n"
    "class Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n"
    "@dataclasses.dataclass(frozen=True, slots=True)\nclass Spec:\n    n: int\n"
    "    def thrice(self): return self.n * 3\n"
    "class Plain:\n    def __init__(self, n): self.n = n\n"
    "    def twice(self): return self.n * 2\n    def scaled(self, x): return x * self.n\n"
    "Point = collections.namedtuple('Point', 'x y')\n"
    "def one(x): return x + 1\n"
    "def two(x): return x + 2\n"
)


def holding(held: str) -> Files:
    """Return a package with a stage that closes over a value; its libraries are slow to import."""
    libraries = "import numpy\n" if "numpy" in held else ""
    if "Ridge" in held:
        libraries = "from sklearn.linear_model import Ridge\n"
    return one_module(libraries + MADE.replace("{}", f"\n    {held}\n"), lib=HELD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1", "2"),
        ("1", "1.0"),
        ("1", "True"),
        ("'a'", "b'a'"),
        ("None", "0"),
        ("(1, 2)", "(2, 1)"),
        ("(1, 2)", "[1, 2]"),
        ("{'a': 1}", "{'a': 2}"),
        ("{'a': [1, {2: 'b'}]}", "{'a': [1, {2: 'c'}]}"),
        ("{1, 2}", "{1, 3}"),
        ("frozenset({'a', 'b'})", "frozenset({'a', 'c'})"),
        ("datetime.date(2025, 1, 1)", "datetime.date(2025, 1, 2)"),
        ("datetime.datetime(2025, 1, 1, 5)", "datetime.datetime(2025, 1, 1, 6)"),
        ("decimal.Decimal('1.0')", "decimal.Decimal('1.00')"),
        ("pathlib.Path('a')", "pathlib.Path('b')"),
        ("len", "max"),
        ("Colour.RED", "Colour.BLUE"),
        ("Spec(1)", "Spec(2)"),
        ("Point(1, 2)", "Point(1, 3)"),
        ("functools.partial(one, 1)", "functools.partial(one, 2)"),
        ("functools.partial(one, x=1)", "functools.partial(one, x=2)"),
        ("functools.partial(one, 1)", "functools.partial(two, 1)"),
        ("functools.cache(one)", "functools.cache(two)"),
        ("one", "two"),
        ("(one, two)", "(two, one)"),
        ("make(make(1))", "make(make(2))"),
        ("(make(1), make(2))", "(make(2), make(1))"),
        ("lambda x: x + 1", "lambda x: x + 2"),
        ("lambda x, n=one(0): n", "lambda x, n=one(1): n"),
        ("Spec", "Plain"),
    ],
)
def test_value_that_a_function_closes_over_counts(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    files = holding(old)
    assert fingerprint(files) != fingerprint(holding(new))
    assert fingerprint(files) == fingerprint(edited(files, "= 30", "= 31"))


@pytest.mark.parametrize(
    ("held", "same"),
    [
        ("{'a', 'b', 'c'}", "{'c', 'b', 'a'}"),
        ("functools.partial(one, a=1, b=2)", "functools.partial(one, b=2, a=1)"),
        ("(1, 2)", "(  1, 2)  # two"),
    ],
)
def test_equal_values_that_a_function_closes_over_are_the_same(
    fingerprint: Callable[..., str], held: str, same: str
) -> None:
    assert fingerprint(holding(held)) == fingerprint(holding(same))


@pytest.mark.parametrize("held", ["one", "functools.partial(one)", "Spec(one)", "[one]", "lib"])
def test_function_that_is_held_counts_with_its_code(
    fingerprint: Callable[..., str], held: str
) -> None:
    files = holding(held)
    assert fingerprint(files) != fingerprint(edited(files, "x + 1", "x + 3"))


@pytest.mark.parametrize("held", ["Spec(1)", "Plain", "Colour.RED"])
def test_class_of_what_is_held_counts_with_its_code(
    fingerprint: Callable[..., str], held: str
) -> None:
    files = holding(held)
    old, new = {
        "Spec(1)": ("n: int", "n: str"),
        "Plain": ("self.n * 2", "self.n * 3"),
        "Colour.RED": ("BLUE = 2", "BLUE = 3"),
    }[held]
    assert fingerprint(files) != fingerprint(edited(files, old, new))


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        ("Plain(1)", "team.lib.Plain"),
        ("[{'a': Plain(1)}]", "team.lib.Plain"),
        ("Plain(1).twice", "method"),
        ("Spec(1).thrice", "method"),
        ("re.compile('a')", "re.Pattern"),
        ("types.MappingProxyType({'a': 1})", "mappingproxy"),
        ("functools.partial(one, object())", "object"),
        ("functools.partial(numpy.log, 1)", "numpy.ufunc"),
        ("iter([1])", "list_iterator"),
        ("types.SimpleNamespace(n=1)", "types.SimpleNamespace"),
        ("numpy.array([1, 2])", "numpy.ndarray"),
        ("numpy.float64(1)", "numpy.float64"),
        ("Ridge(alpha=1.0)", "sklearn.linear_model._ridge.Ridge"),
        ("open(__file__)", "_io.TextIOWrapper"),
        ("lambda x, n=object(): n", "object"),
    ],
)
def test_object_that_cannot_be_told_from_others_is_refused(
    fingerprint: Callable[..., str], held: str, kind: str
) -> None:
    with pytest.raises(RuntimeError) as caught:
        fingerprint(holding(held))
    where = "the default of 'n'" if "lambda" in held else "'held', which it closes over,"
    assert str(caught.value) == (
        "PipelineError: What 'make.<locals>.stage' holds must be plain values, data classes,"
        " enumerations, functions, classes or collections of these, so that a change is noticed,"
        f" but {where} is an object of type {kind}, which cannot be told from another of its kind."
        " Make it within the function or name it at the top of the module, pass it as a parameter,"
        " or declare a code_version and give a new one whenever it changes."
    )


def test_data_class_with_more_than_its_fields_is_refused(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "import dataclasses\n@dataclasses.dataclass\nclass Spec:\n    n: int\n"
        "spec = Spec(1)\nspec.more = 2\n"
        "def make(held):\n    def stage(x): return held\n    return stage\nstage = make(spec)\n"
    )
    with pytest.raises(RuntimeError, match=r"type team\.stages\.Spec, which cannot be told"):
        fingerprint(files)


def test_function_that_is_bound_later_is_refused(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def make():\n    def stage(x): return c\n    found = fingerprint(stage)\n"
        "    c = 'late'\n    return stage\n"
        "from ml_pipeline.code.fingerprint import fingerprint_of as fingerprint\nstage = make()\n"
    )
    with pytest.raises(RuntimeError, match="must be bound when it is defined, but 'c' is not yet"):
        fingerprint(files)


def test_class_within_a_factory_counts_with_its_code(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def make():\n    class C:\n        def m(self): return 1\n"
        "    def stage(x): return C().m()\n    return stage\nstage = make()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "return 1", "return 2"))


def test_variable_of_the_factory_counts_for_the_stage_that_closes_over_it(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(
        "def build():\n    n = 1\n    def stage(x): return x + n\n"
        "    def other(x): return x + 50\n    return stage, other\nstage, other = build()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "n = 1", "n = 2"))


PIPELINE = (
    "from ml_pipeline import ParamModel\nfrom ml_pipeline.runs.stages import Pipeline\n"
    "pipeline = Pipeline('p', ParamModel())\n"
    "def make(name, n):\n    def made(): return n\n    made.__name__ = name\n    return made\n"
)


def test_stages_of_one_factory_count_apart(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        PIPELINE + "stage = pipeline.asset(make('a', 1))\n"
        "other = pipeline.asset(make('b', 5))\npipeline.asset(kinds=['json'])(make('c', 7))\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "'a', 1", "'a', 2"))
    for old, new in (("'b', 5", "'b', 6"), ("'c', 7", "'c', 8")):
        assert fingerprint(files) == fingerprint(edited(files, old, new))


def test_wrapper_around_a_function_counts_with_its_factory(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "import functools\ndef timed(n):\n    def deco(f):\n        @functools.wraps(f)\n"
        "        def g(x, k=n): return f(x) * k + 60\n        return g\n    return deco\n"
        "def inner(x): return x + 1\nstage = timed(2)(inner)\nother = timed\n"
    )
    for old, new in (("+ 60", "+ 61"), ("timed(2)", "timed(3)"), ("x + 1", "x + 2")):
        assert fingerprint(files) != fingerprint(edited(files, old, new))
    assert fingerprint(files) == fingerprint(edited(files, "other = timed", "other = inner"))


@pytest.mark.parametrize(
    ("stage", "is_told"),
    [
        ("@third.again(Plain())\ndef stage(x): return x + 1\n", True),
        ("def inner(x): return x + 1\nstage = third.again(Plain())(inner)\n", False),
    ],
    ids=["by a decorator", "by a call"],
)
def test_wrapper_of_a_library_counts_where_a_text_tells_what_it_was_given(
    fingerprint: Callable[..., str], stage: str, is_told: bool
) -> None:
    files = {
        "main.py": "import pathlib, sys\n"
        "sys.path.insert(0, str(pathlib.Path(__file__).parent / 'site-packages'))\n"
        "import third\nclass Plain:\n    k = 50\n" + stage,
        "site-packages/third.py": "import functools\ndef again(how):\n    def deco(f):\n"
        "        @functools.wraps(f)\n        def g(x): return how, f(x)\n"
        "        return g\n    return deco\n",
    }
    if not is_told:
        with pytest.raises(RuntimeError, match="'how', which it closes over, is an object of type"):
            fingerprint(files, module="main")
        return
    for old, new in (("x + 1", "x + 2"), ("k = 50", "k = 51"), ("again(Plain())", "again(Plain)")):
        other = {name: text.replace(old, new) for name, text in files.items()}
        assert fingerprint(files, module="main") != fingerprint(other, module="main")


def test_bound_arguments_of_the_stage_itself_count(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "import functools\ndef f(x, n): return x + n\n"
        "stage = functools.update_wrapper(functools.partial(f, n=1), f)\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "n=1", "n=2"))
    assert fingerprint(files) != fingerprint(edited(files, "x + n", "x - n"))


def test_callable_object_is_refused_with_advice() -> None:
    with pytest.raises(PipelineError, match=r"A stage must be a plain function, but <built-in"):
        fingerprint_of(len)


@pytest.mark.parametrize(
    "held",
    [
        "{'b', 'a', 'c', 'd'}",
        "frozenset({Colour.RED, Colour.BLUE, 'a', one, two, (1, 'b')})",
        "Spec({one, two, functools.partial(one, {'x', 'y'})})",
    ],
)
def test_what_is_held_is_told_alike_in_every_process(
    run_python: Callable[..., str], tmp_path: Path, held: str
) -> None:
    for path, text in holding(held).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    printed = {
        run_python(
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from ml_pipeline.code.fingerprint import fingerprint_of\n"
            "from team.stages import stage\n"
            "print(fingerprint_of(stage).digest)",
            str(tmp_path),
            PYTHONHASHSEED=seed,
        )
        for seed in ("1", "2", "4242")
    }
    assert len(printed) == 1


def test_collection_that_holds_itself_is_refused(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "node = []\nnode.append(node)\n"
        "def make(held):\n    def stage(x): return held\n    return stage\n"
        "stage = make(node)\n"
    )
    with pytest.raises(RuntimeError, match="is an object of type list, which holds itself"):
        fingerprint(files)


def test_function_that_calls_itself_is_told(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def make():\n    def stage(x): return x and stage(x - 1)\n    return stage\n"
        "stage = make()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "x - 1", "x - 2"))
