"""Packages are written to disk, imported in processes of their own, edited and imported again."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.code import fingerprint_of
from ml_pipeline.errors import PipelineError

Files = Mapping[str, str]

PACKAGE_INDENTED: Files = {
    "team/__init__.py": "",
    "team/stages.py": '''
        """Stages of the team."""
        import math
        from typing import Final

        import team.scaling
        from team import params, windows as win
        from team.cleaning import cleaned as clean, unused
        from . import shapes
        from .exported import halved

        SCALE: Final[float] = 2.0
        UNUSED = 1

        def traced(function):
            def wrapper(*args):
                return function(*args) + 0
            return wrapper

        @traced
        def own(x: int) -> float:
            """Scale it."""
            # a comment
            return x * SCALE

        def unrelated(x):
            return x - 1

        def stage(x: int, fit: "params.Fit"):
            """First line."""
            from team.late import rounded

            kept = win.tail(clean(x))
            area = shapes.Box(x).area()
            return own(rounded(team.scaling.scaled(kept))) + area + halved(x) + math.pi
    ''',
    "team/cleaning.py": """
        def cleaned(x):
            return normal(x)

        def normal(x):
            return x + 10

        def unused(x):
            return x + 20
    """,
    "team/windows.py": "def tail(x, n=30):\n    return x - n\n",
    "team/scaling.py": "FACTORS = {'a': 40}\n\ndef scaled(x):\n    return x * FACTORS['a']\n",
    "team/shapes.py": """
        class Base:
            edge = 50

            def side(self):
                return self.edge + 60

        class Box(Base):
            def __init__(self, x):
                self.x = x

            def area(self):
                return self.side() ** 70
    """,
    "team/exported/__init__.py": "from .inner import halved\n",
    "team/exported/inner.py": "def halved(x):\n    return x / 80\n",
    "team/late.py": "async def never(): return 0\n\ndef rounded(x):\n    return round(x, 90)\n",
    "team/params.py": """
        from pydantic import Field
        from ml_pipeline.params import ParamGroup

        class Fit(ParamGroup):
            rate: float = Field(default=0.1, gt=0)
    """,
}

PACKAGE = {path: textwrap.dedent(text) for path, text in PACKAGE_INDENTED.items()}
STAGES = "team/stages.py"


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


def edited(files: Files, old: str, new: str) -> Files:
    """Replace a text that is in exactly one of the files."""
    if sum(text.count(old) for text in files.values()) != 1:
        raise ValueError(f"{old!r} must be in one place")
    return {path: text.replace(old, new) for path, text in files.items()}


# What does not count


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
        pytest.param("(x: int) -> float:", "(x: float) -> int:", id="annotations of a helper"),
        pytest.param("stage(x: int,", "stage(x: 'float',", id="annotation of the stage"),
        pytest.param("SCALE: Final[float] =", "SCALE =", id="annotation of a constant"),
        pytest.param("return x - 1", "return x - 2", id="unrelated function in the module"),
        pytest.param("UNUSED = 1", "UNUSED = 2", id="unrelated constant"),
        pytest.param("return x + 20", "return x + 21", id="imported but unused function"),
        pytest.param("return 0", "return 1", id="unrelated function in another module"),
        pytest.param("default=0.1", "default=0.2", id="default of a parameter"),
        pytest.param("gt=0", "ge=0, le=1", id="bounds of a parameter"),
        pytest.param("rate: float", "depth: int = 3\n    rate: float", id="new parameter"),
        pytest.param("import math\n", "import math\nimport json\n", id="unused import"),
    ],
)
def test_edit_that_changes_no_result_keeps_the_fingerprint(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    assert fingerprint(edited(PACKAGE, old, new)) == fingerprint(PACKAGE)


def test_order_of_definitions_does_not_count(fingerprint: Callable[..., str]) -> None:
    parts = ["A = 1\n", "def stage(x): return h(x) + A\n", "def h(x): return x\n"]
    assert fingerprint(one_module("".join(parts))) == fingerprint(one_module("".join(parts[::-1])))


def test_line_endings_do_not_count(fingerprint: Callable[..., str]) -> None:
    dos = {path: text.replace("\n", "\r\n") for path, text in PACKAGE.items()}
    assert fingerprint(dos) == fingerprint(PACKAGE)


# What counts


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
        pytest.param("round(x, 90)", "round(x, 91)", id="import inside the function"),
        pytest.param("def rounded(x):", "async def rounded(x):", id="async"),
    ],
)
def test_edit_that_changes_a_result_changes_the_fingerprint(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    assert fingerprint(edited(PACKAGE, old, new)) != fingerprint(PACKAGE)


def one_module(text: str, **others: str) -> Files:
    modules = {f"team/{name}.py": other for name, other in others.items()}
    return {"team/__init__.py": "", STAGES: text} | modules


@pytest.mark.parametrize(
    ("files", "old", "new"),
    [
        pytest.param(
            one_module("T = {}\nT['a'] = 1\ndef stage(x): return T\n"), "= 1", "= 2",
            id="item of a table assigned later",
        ),
        pytest.param(
            one_module("class C: pass\nC.k = 1\ndef stage(x): return C\n"), "= 1", "= 2",
            id="attribute of a class assigned later",
        ),
        pytest.param(
            one_module("K = 0\nK += 1\ndef stage(x): return K\n"), "+= 1", "+= 2",
            id="augmented assignment",
        ),
        pytest.param(
            one_module("if True:\n    K = 1\nelse:\n    K = 2\ndef stage(x): return K\n"),
            "K = 2", "K = 3",
            id="either branch of an if",
        ),
        pytest.param(
            one_module("try:\n    import nowhere\nexcept ImportError:\n    K = 1\n"
                       "def stage(x): return K\n"),
            "K = 1", "K = 2",
            id="handler of an import that fails",
        ),
        pytest.param(
            one_module("A, (B, *C) = 1, (2, 3)\ndef stage(x): return C\n"), "3", "4",
            id="unpacking",
        ),
        pytest.param(
            one_module("f = lambda x: x + 1\ndef stage(x): return f(x)\n"), "+ 1", "+ 2",
            id="lambda with a name",
        ),
        pytest.param(
            one_module("from .lib import T\nT = {**T}\ndef stage(x): return T\n",
                       lib="T = {'a': 1}"),
            "1", "2",
            id="import bound again",
        ),
        pytest.param(
            one_module("from . import lib\ndef stage(x): return lib.c.m()\n",
                       lib="class C:\n    def m(self): return 1\nc = C()\n"),
            "return 1", "return 2",
            id="method of an object in another module",
        ),
        pytest.param(
            one_module("from .lib import f\ndef stage(x, g=f): return g(x)\n",
                       lib="def f(x): return x + 1\n"),
            "+ 1", "+ 2",
            id="function as a default argument",
        ),
        pytest.param(
            one_module("def stage(x):\n    def inner(y):\n        from .lib import f\n"
                       "        return f(y)\n    return inner(x)\n",
                       lib="def f(x): return x + 1\n"),
            "+ 1", "+ 2",
            id="import inside an inner function",
        ),
        pytest.param(
            one_module("from .lib import f\ndef stage(x): return f'{f(x):>3}'\n",
                       lib="def f(x): return x + 1\n"),
            "+ 1", "+ 2",
            id="call inside a formatted text",
        ),
        pytest.param(
            one_module("import enum\nclass E(enum.Enum):\n    A = 1\ndef stage(x): return E.A\n"),
            "A = 1", "A = 2",
            id="member of an enum",
        ),
        pytest.param(
            one_module("from .lib import f\ndef stage(x): return list(map(f, x))\n",
                       lib="def f(x): return x + 1\n"),
            "+ 1", "+ 2",
            id="function that is passed on",
        ),
    ],
)  # fmt: skip
def test_edit_of_a_less_common_form_changes_the_fingerprint(
    fingerprint: Callable[..., str], files: Files, old: str, new: str
) -> None:
    assert fingerprint(edited(files, old, new)) != fingerprint(files)


GROUP = "from ml_pipeline.params import ParamGroup\nfrom typing import ClassVar\n"
LIB = "def f(x): return x + 1\n"
WRAPS = (
    "import functools\n"
    "def deco(n):\n"
    "    def made(f):\n"
    "        @functools.wraps(f)\n"
    "        def g(x): return f(x) + n - 7\n"
    "        return g\n"
    "    return made\n"
    "@deco(1)\n"
    "def stage(x): return x\n"
)


@pytest.mark.parametrize(
    ("files", "old", "new"),
    [
        pytest.param(
            one_module("from .lib import *\ndef stage(x): return f(x)\n", lib=LIB), "+ 1", "+ 2",
            id="star import",
        ),
        pytest.param(
            {"team/__init__.py": "from . import lib\n", "team/lib.py": LIB,
             STAGES: "from team import lib\ndef stage(x): return lib.f(x)\n"},
            "+ 1", "+ 2",
            id="module that its package imports as well",
        ),
        pytest.param(
            one_module("from .other import h\ndef stage(x): return h.f(x)\n", lib=LIB,
                       other="from team import lib as h\n"),
            "+ 1", "+ 2",
            id="module re-exported by a module",
        ),
        pytest.param(
            one_module("from . import lib\ndef stage(x):\n    m = lib\n    return m.f(x)\n",
                       lib=LIB),
            "+ 1", "+ 2",
            id="module under a local name",
        ),
        pytest.param(
            one_module("try:\n    from nowhere import f\nexcept ImportError:\n"
                       "    def f(x): return x + 1\ndef stage(x): return f(x)\n"),
            "+ 1", "+ 2",
            id="definition in place of an import that fails",
        ),
        pytest.param(
            one_module("try:\n    from .lib import f\nexcept ImportError:\n"
                       "    from .other import f\ndef stage(x): return f(x)\n",
                       lib=LIB, other="def f(x): return x\n"),
            "+ 1", "+ 2",
            id="first of two imports of one name",
        ),
        pytest.param(
            one_module("def f(x):\n    from .lib import f\n    return f(x)\n"
                       "def stage(x): return f(x)\n", lib=LIB),
            "+ 1", "+ 2",
            id="function that imports its namesake",
        ),
        pytest.param(
            one_module("R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n"
                       "@reg\ndef a(x): return x + 1\ndef stage(x): return R['a'](x)\n"),
            "+ 1", "+ 2",
            id="registry filled by a decorator",
        ),
        pytest.param(
            one_module("T = {}\nT.update(a=1)\ndef stage(x): return T\n"), "a=1", "a=2",
            id="table filled by a call",
        ),
        pytest.param(
            one_module("T = {}\nfor k in 'ab':\n    T[k] = 1\ndef stage(x): return T\n"),
            "= 1", "= 2",
            id="table filled by a loop",
        ),
        pytest.param(
            one_module("FLAG = True\nif FLAG:\n    K = 1\nelse:\n    K = 2\n"
                       "def stage(x): return K\n"),
            "FLAG = True", "FLAG = False",
            id="condition of a module-level if",
        ),
        pytest.param(
            one_module("import contextlib\nwith contextlib.nullcontext(1) as K:\n    pass\n"
                       "def stage(x): return K\n"),
            "(1)", "(2)",
            id="name bound by with",
        ),
        pytest.param(
            one_module("for K in (1,):\n    pass\ndef stage(x): return K\n"), "(1,)", "(2,)",
            id="name bound by for",
        ),
        pytest.param(
            one_module("match 1:\n    case 1:\n        K = 5\ndef stage(x): return K\n"), "5", "6",
            id="name bound within match",
        ),
        pytest.param(
            one_module("A = (K := 1)\ndef stage(x): return K\n"), "1", "2",
            id="name bound by a walrus",
        ),
        pytest.param(
            one_module("from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n"
                       "    def f(x): return x + 1\ndef stage(x): return f(x)\n"),
            "+ 1", "+ 2",
            id="if not TYPE_CHECKING",
        ),
        pytest.param(
            one_module("import decimal\nfrom . import lib\n"
                       "def stage(x): return decimal.Decimal(1) / 3\n",
                       lib="import decimal\ndecimal.getcontext().prec = 5\n"),
            "prec = 5", "prec = 6",
            id="side effect of an import",
        ),
        pytest.param(one_module(WRAPS), "- 7", "- 8", id="decorator of the stage"),
        pytest.param(one_module(WRAPS), "@deco(1)", "@deco(2)", id="argument of that decorator"),
        pytest.param(
            one_module("def deco(f):\n    def g(x): return f(x)\n    return g\n"
                       "@deco\ndef stage(x): return x + 1\n"),
            "+ 1", "+ 2",
            id="stage behind a decorator without wraps",
        ),
        pytest.param(
            one_module("def h(x): return x + 1\nstage = lambda x: h(x)\n"), "+ 1", "+ 2",
            id="helper of a lambda",
        ),
        pytest.param(
            one_module("def h(x): return x + 1\ndef make(f=None):\n"
                       "    @staticmethod\n    def stage(x): return h(x)\n"
                       "    return stage.__func__\nstage = make()\n"),
            "+ 1", "+ 2",
            id="helper of a stage made within a function",
        ),
        pytest.param(
            one_module(GROUP + "class P(ParamGroup):\n    lr: float = 1.0\n    @property\n"
                       "    def scaled(self): return self.lr * 2\n"
                       "def stage(p: P): return p.scaled\n"),
            "* 2", "* 3",
            id="property of a parameter group",
        ),
        pytest.param(
            one_module(GROUP + "class P(ParamGroup):\n    lr: float = 1.0\n"
                       "    K: ClassVar[int] = 2\ndef stage(p: P): return P.K\n"),
            "= 2", "= 3",
            id="constant of a parameter group",
        ),
        pytest.param(
            one_module("import pydantic\nclass M(pydantic.BaseModel):\n    a: int = 1\n"
                       "def stage(x): return M(a=x).a\n"),
            "a: int", "a: str",
            id="annotation that pydantic computes with",
        ),
        pytest.param(
            one_module("import functools\n@functools.singledispatch\ndef f(x): return 0\n"
                       "@f.register\ndef _(x: int): return 1\ndef stage(x): return f(x)\n"),
            "return 1", "return 2",
            id="function registered with singledispatch",
        ),
    ],
)  # fmt: skip
def test_edit_that_is_overlooked_changes_the_fingerprint(
    fingerprint: Callable[..., str], files: Files, old: str, new: str
) -> None:
    assert fingerprint(edited(files, old, new)) != fingerprint(files)


# Other modules, other processes


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
        (one_module("def stage(x):\n    from ml_pipeline.stages import Result as R\n"
                    "    return R(x)\n"),
         "ml_pipeline.stages"),
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
        "from ml_pipeline.code import fingerprint_of\n"
        "from team.stages import stage\n"
        "print(fingerprint_of(stage))",
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
