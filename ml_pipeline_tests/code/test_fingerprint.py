"""Packages are written to disk, imported in processes of their own, edited and imported again."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.code.fingerprint import fingerprint_of
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
        def cleaned(x: int) -> int:
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
        from ml_pipeline import ParamGroup

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
        pytest.param("cleaned(x: int) -> int", "cleaned(x: str)", id="annotations of a helper"),
        pytest.param("(x: int) -> float:", "(x: int) -> int:", id="annotation of what is returned"),
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


GROUP = "from ml_pipeline import ParamGroup\nfrom typing import ClassVar\n"
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


FAST = "def f(x): return x + 1\ndef unused(x): return x - 30\n"
IMPORT = "from .lib import f"
STAGE = "def stage(x): return f(x)\n"
IMPORTED_WITHIN = {
    "with": f"import contextlib\nwith contextlib.suppress(ImportError):\n    {IMPORT}\n{STAGE}",
    "for": f"for _ in (1,):\n    {IMPORT}\n{STAGE}",
    "while": f"while True:\n    {IMPORT}\n    break\n{STAGE}",
    "match": f"match 1:\n    case 1:\n        {IMPORT}\n{STAGE}",
    "try with groups": f"try:\n    {IMPORT}\nexcept* ImportError:\n    pass\n{STAGE}",
    "with within if": "import contextlib\nif True:\n    with contextlib.suppress(ImportError):\n"
                      f"        try:\n            {IMPORT}\n        finally:\n"
                      f"            pass\n{STAGE}",
    "class": f"class C:\n    {IMPORT}\ndef stage(x): return C.f(x)\n",
    "class by object": f"class C:\n    {IMPORT}\ndef stage(x): return vars(C)['f'](x)\n",
    "class within function":
        f"def stage(x):\n    class C:\n        {IMPORT}\n    return C.f(x)\n",
    "class as module":
        "class C:\n    import team.lib\ndef stage(x): return C.team.lib.f(x)\n",
    "function, as a global name":
        f"def load():\n    global f\n    {IMPORT}\nload()\n{STAGE}",
    "function that is called elsewhere, as a global name":
        f"class C:\n    def load(self):\n        global f\n        {IMPORT}\n{STAGE}",
}  # fmt: skip


@pytest.mark.parametrize("text", IMPORTED_WITHIN.values(), ids=IMPORTED_WITHIN)
def test_import_within_another_statement_reaches_what_it_imports(
    fingerprint: Callable[..., str], text: str
) -> None:
    files = one_module(text, lib=FAST)
    assert fingerprint(files) != fingerprint(edited(files, "x + 1", "x + 2"))


@pytest.mark.parametrize(
    "text",
    [text for name, text in IMPORTED_WITHIN.items() if name != "class as module"],
    ids=[name for name in IMPORTED_WITHIN if name != "class as module"],
)
def test_import_within_another_statement_reaches_nothing_beside_it(
    fingerprint: Callable[..., str], text: str
) -> None:
    files = one_module(text, lib=FAST)
    assert fingerprint(files) == fingerprint(edited(files, "x - 30", "x - 31"))


def test_import_within_with_executes_the_module(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "import contextlib\nwith contextlib.nullcontext():\n    from . import lib\n"
        "class C:\n    from . import other\ndef stage(x): return x\n",
        lib="import decimal\ndecimal.getcontext().prec = 5\n",
        other="import decimal\ndecimal.getcontext().Emax = 7\n",
    )
    assert fingerprint(files) != fingerprint(edited(files, "prec = 5", "prec = 6"))
    assert fingerprint(files) != fingerprint(edited(files, "Emax = 7", "Emax = 8"))


def test_global_that_a_function_sets_counts_for_what_reads_it(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(
        "K = 0\nL = 0\ndef start():\n    global K\n    K = 5\n"
        "def other():\n    global L\n    L = 6\ndef stage(x): return K\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "K = 5", "K = 7"))
    assert fingerprint(files) == fingerprint(edited(files, "L = 6", "L = 7"))


PLUG_INS = {
    "team/__init__.py": "",
    STAGES: "from team import models\ndef stage(name): return getattr(models, name)\n",
    "team/models/fast.py": "def f(x): return g(x)\ndef g(x): return x + 1\n",
    "team/models/slow.py": "def s(x): return x + 40\n",
    "team/other.py": "def h(x): return x + 50\n",
}


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param("from .fast import f", id="name"),
        pytest.param("from .fast import f as renamed", id="renamed"),
        pytest.param("from .fast import *", id="star"),
        pytest.param("from . import fast", id="module"),
        pytest.param("import team.models.fast", id="dotted"),
        pytest.param("if True:\n    from .fast import f", id="branch"),
        pytest.param("from .again import *", id="star of stars, in a circle"),
    ],
)
def test_module_used_as_value_is_reached_with_what_it_imports(
    fingerprint: Callable[..., str], imports: str
) -> None:
    files = PLUG_INS | {
        "team/models/__init__.py": f"{imports}\nimport numpy as np\nfrom math import *\n",
        "team/models/again.py": "from .fast import *\nfrom team.models import *\n",
    }
    assert fingerprint(files) != fingerprint(edited(files, "x + 1", "x + 2"))
    for harmless in (edited(files, "x + 40", "x + 41"), edited(files, "x + 50", "x + 51")):
        assert fingerprint(files) == fingerprint(harmless)


def test_module_used_by_attribute_is_not_reached_whole(fingerprint: Callable[..., str]) -> None:
    files = PLUG_INS | {
        "team/models/__init__.py": "from .fast import *\nfrom .slow import s\n",
        STAGES: "from team import models\ndef stage(x): return models.s(x)\n",
    }
    assert fingerprint(files) == fingerprint(edited(files, "x + 1", "x + 2"))
    assert fingerprint(files) != fingerprint(edited(files, "x + 40", "x + 41"))


# What a function holds


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
        ("numpy.float64(0.5)", "numpy.float64(0.25)"),
        ("numpy.int64(5)", "numpy.int64(6)"),
        ("numpy.array([1, 2])", "numpy.array([1, 3])"),
        ("numpy.log", "numpy.exp"),
        ("len", "max"),
        ("re.compile('a')", "re.compile('b')"),
        ("Colour.RED", "Colour.BLUE"),
        ("Spec(1)", "Spec(2)"),
        ("Plain(1)", "Plain(2)"),
        ("Plain([Spec(1)])", "Plain([Spec(2)])"),
        ("Plain(1).twice", "Plain(2).twice"),
        ("Plain(1).twice", "Plain(1).scaled"),
        ("Point(1, 2)", "Point(1, 3)"),
        ("collections.Counter('aab')", "collections.Counter('abb')"),
        ("types.SimpleNamespace(n=1)", "types.SimpleNamespace(n=2)"),
        ("types.MappingProxyType({'a': 1})", "types.MappingProxyType({'a': 2})"),
        ("Ridge(alpha=1.0)", "Ridge(alpha=2.0)"),
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
        ("Plain(1)", "Plain(n=2 - 1)"),
        ("functools.partial(one, a=1, b=2)", "functools.partial(one, b=2, a=1)"),
        ("(1, 2)", "(  1, 2)  # two"),
    ],
)
def test_equal_values_that_a_function_closes_over_are_the_same(
    fingerprint: Callable[..., str], held: str, same: str
) -> None:
    assert fingerprint(holding(held)) == fingerprint(holding(same))


@pytest.mark.parametrize("held", ["one", "functools.partial(one)", "Plain(one)", "[one]", "lib"])
def test_function_that_is_held_counts_with_its_code(
    fingerprint: Callable[..., str], held: str
) -> None:
    files = holding(held)
    assert fingerprint(files) != fingerprint(edited(files, "x + 1", "x + 3"))
    if held != "lib":
        assert fingerprint(files) == fingerprint(edited(files, "x + 2", "x + 3"))


@pytest.mark.parametrize("held", ["Spec(1)", "Plain(1)", "Plain", "Plain(1).twice"])
def test_class_of_what_is_held_counts_with_its_code(
    fingerprint: Callable[..., str], held: str
) -> None:
    files = holding(held)
    old, new = ("n: int", "n: str") if held == "Spec(1)" else ("self.n * 2", "self.n * 3")
    assert fingerprint(files) != fingerprint(edited(files, old, new))
    assert fingerprint(files) == fingerprint(edited(files, "x + 2", "x + 3"))


@pytest.mark.parametrize(
    "opaque",
    [
        pytest.param("iter([1])", id="object that shows nothing"),
        pytest.param("(lambda: c)", id="function that is bound later"),
    ],
)
def test_what_shows_no_content_counts_by_the_function_that_made_it(
    fingerprint: Callable[..., str], opaque: str
) -> None:
    files = one_module(
        f"def make():\n    held = {opaque}\n    def stage(x): return held\n"
        "    c = 'late'\n    return stage\nstage = make()\nUNRELATED = 30\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, f"held = {opaque}", "held = iter([2])"))
    assert fingerprint(files) == fingerprint(edited(files, "= 30", "= 31"))


def test_class_within_a_factory_counts_with_its_code(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "def make():\n    class C:\n        def m(self): return 1\n"
        "    def stage(x): return C().m()\n    return stage\nstage = make()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "return 1", "return 2"))


def test_factory_makes_other_stages_without_counting_for_this_one(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(
        "def build():\n    n = 1\n    def stage(x): return x + n\n"
        "    def other(x): return x + 50\n    return stage, other\nstage, other = build()\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "n = 1", "n = 2"))
    assert fingerprint(files) == fingerprint(edited(files, "x + 50", "x + 51"))


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
        "Plain({one, two, functools.partial(one, {'x', 'y'})})",
        "[object(), numpy.array([object()]), iter([1])]",
        "Ridge(alpha=0.1)",
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
            "print(fingerprint_of(stage))",
            str(tmp_path),
            PYTHONHASHSEED=seed,
        )
        for seed in ("1", "2", "4242")
    }
    assert len(printed) == 1


def test_docstring_of_a_callable_object_that_is_held_does_not_count(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(
        "import functools\nclass Wrapped:\n    def __init__(self, f):\n"
        "        functools.update_wrapper(self, f)\n"
        "    def __call__(self, x): return self.__wrapped__(x) * 3\n"
        "def inner(x: int):\n    'Say so.'\n    return x + 1\n"
        "def make(held):\n    def stage(x): return held(x)\n    return stage\n"
        "pipeline = functools\npipeline.asset = lambda f: f\n"
        "stage = pipeline.asset(make(Wrapped(inner)))\n"
    )
    assert fingerprint(files) == fingerprint(edited(files, "Say so.", "Say more."))
    assert fingerprint(files) != fingerprint(edited(files, "x + 1", "x + 2"))
    assert fingerprint(files) != fingerprint(edited(files, "* 3", "* 4"))


def test_object_that_holds_itself_ends(fingerprint: Callable[..., str]) -> None:
    files = one_module(
        "class Node: pass\nnode = Node()\nnode.next, node.n = node, 1\n"
        "def make(held):\n    def stage(x): return held and stage\n    return stage\n"
        "stage = make(node)\n"
    )
    assert fingerprint(files) != fingerprint(edited(files, "= node, 1", "= node, 2"))


# What changes what others defined


NEIGHBOURS = (
    "import datetime, re, enum\nfrom collections import namedtuple\n"
    "from dataclasses import dataclass\nfrom pathlib import Path\n"
    "from typing import Final, NamedTuple\n"
    "from ml_pipeline.store.record import Objective\n"
    "@dataclass(frozen=True)\nclass Spec:\n    name: str\n    n: int = 0\n"
    "class Row(NamedTuple):\n    a: int\n"
    "class Kind(enum.Enum):\n    A = 1\n"
    "def stage(x): return x\n"
)


@pytest.mark.parametrize(
    "neighbour",
    [
        "TIMEOUT = 30",
        "TIMEOUT: Final = 30",
        "NAMES: Final = frozenset({'a', 'b'})",
        "ROWS = [1, 2, 3]",
        "START = datetime.date(2025, 1, 1)",
        "NAME = re.compile('[a-z]+')",
        "HERE = Path(__file__).resolve().parent.joinpath('a')",
        "COLUMNS = ', '.join(['a', 'b']).upper()",
        "TABLE = {'a': 1}\nKEYS = sorted(TABLE.items())",
        "SIZES = tuple(map(str, [1, 2]))",
        "SIZES = list(map(lambda x: x + 1, [1, 2]))",
        "add = lambda x: helper(x)",
        "SPECS = {'a': Spec('a', 1), 'b': Spec(name='b')}",
        "ROW = Row(1)",
        "KIND = Kind(1)",
        "Pair = namedtuple('Pair', 'a b')",
        "OBJECTIVE = Objective(metric='m', direction='minimize')",
        "A, (B, *C) = 1, (2, 3)",
        "class Failure(ValueError): pass\nclass Late(Failure): pass",
        "class Base: pass\nclass Late(Base):\n    def m(self): return 1",
    ],
)
def test_definition_beside_the_stage_does_not_count(
    fingerprint: Callable[..., str], neighbour: str
) -> None:
    assert fingerprint(one_module(NEIGHBOURS + neighbour + "\n")) == fingerprint(
        one_module(NEIGHBOURS)
    )


REGISTRY = (
    "R = {}\ndef register(name, f):\n    R[name] = f\n    return f\n"
    "def stage(x): return R['f'](x)\nUNRELATED = 30\n"
)
WATCHED = (
    "R = {}\nclass Base:\n"
    "    def __init_subclass__(cls): R[cls.__name__] = cls\n"
    "    def m(self): return 0\n"
)
PLUG_IN = "class F(Base):\n    def m(self): return 1\nUNRELATED = 30\n"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(one_module(REGISTRY + "_a = register('f', lambda x: 1)\n"), id="call"),
        pytest.param(
            one_module(REGISTRY + "_a: object = register('f', lambda x: 1)\n"),
            id="call with an annotation",
        ),
        pytest.param(
            one_module(REGISTRY + "_a = {'f': [register('f', lambda x: 1)]}\n"),
            id="call within a display",
        ),
        pytest.param(
            one_module(REGISTRY + "_a = list(map(lambda f: register('f', f), [lambda x: 1]))\n"),
            id="call by map",
        ),
        pytest.param(
            one_module(REGISTRY + "import functools\n@functools.partial(register, 'f')\n"
                       "def f(x): return 1\n"),
            id="bound decorator",
        ),
        pytest.param(
            one_module(REGISTRY + "from . import lib\n_a = lib.Entry(R, lambda x: 1)\n",
                       lib="class Entry:\n    def __init__(self, r, f): r['f'] = f\n"),
            id="constructor",
        ),
        pytest.param(
            one_module(REGISTRY + "_a = R.setdefault('f', lambda x: 1)\n"), id="method",
        ),
        pytest.param(
            one_module(REGISTRY + "_a = setattr(register, 'f', lambda x: 1)\n"), id="setattr",
        ),
        pytest.param(
            one_module(REGISTRY + "class C: pass\nC.a, B = 1, 2\n"), id="attribute in a tuple",
        ),
        pytest.param(
            one_module(REGISTRY + "[*R['f']], B = (1,), 2\n"), id="item in a list with a star",
        ),
        pytest.param(
            one_module(WATCHED + PLUG_IN + "def stage(x): return R\n"), id="__init_subclass__",
        ),
        pytest.param(
            one_module("from .lib import R\nfrom . import plugs\ndef stage(x): return R\n",
                       lib=WATCHED, plugs="from . import lib\n"
                       + PLUG_IN.replace("(Base)", "(lib.Base)")),
            id="__init_subclass__ in another module",
        ),
        pytest.param(
            one_module("class Base: pass\ndef stage(x): return Base.__subclasses__()\n" + PLUG_IN),
            id="__subclasses__",
        ),
        pytest.param(
            one_module("from . import plugs\nfrom .lib import found\n"
                       "def stage(x): return found()\n",
                       lib="class Base: pass\ndef found(): return Base.__subclasses__()\n",
                       plugs="from .lib import Base as B\nclass Middle(B): pass\n"
                       + PLUG_IN.replace("Base", "Middle")),
            id="__subclasses__ in another module",
        ),
        pytest.param(
            one_module("R = []\nclass Meta(type):\n    def __init__(cls, *a): R.append(cls)\n"
                       "class F(metaclass=Meta):\n    k = 1\n"
                       "def stage(x): return R\nUNRELATED = 30\n"),
            id="metaclass",
        ),
    ],
)  # fmt: skip
def test_definition_that_registers_itself_counts(
    fingerprint: Callable[..., str], files: Files
) -> None:
    one = next(
        old for old in ("lambda x: 1", "return 1", "= 1, 2", "= (1,), 2", "k = 1")
        if any(old in text for text in files.values())
    )  # fmt: skip
    assert fingerprint(files) != fingerprint(edited(files, one, one.replace("1", "9")))
    assert fingerprint(files) == fingerprint(edited(files, "= 30", "= 31"))


def test_group_that_is_derived_from_a_group_does_not_count_with_its_fields(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(
        GROUP + WATCHED + "class P(ParamGroup):\n    a: int = 5\n"
        "class Q(P):\n    lr: float = 1.0\n    def m(self): return 40\n"
        "def stage(x): return R\n"
    )
    assert fingerprint(files) == fingerprint(edited(files, "= 1.0", "= 2.0"))
    assert fingerprint(files) != fingerprint(edited(files, "return 40", "return 41"))


DISPATCH = (
    "import functools\nfrom .lib import Special\n"
    "@functools.singledispatch\ndef f(x: bytes): return 0\n"
    "@f.register\ndef _(x: int): return 1\n"
    "@functools.cache\ndef g(x: str): return 2\n"
    "class C:\n    @property\n    def p(self: 'C'): return 3\n"
    "    @staticmethod\n    def s(x: tuple): return 4\n"
    "@f.register\ndef _(x: Special): return 5\n"
    "def stage(x): return f(x), g(x), C().p\n"
)


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("x: int", "x: float", True),
        ("object", "int", True),
        ("x: bytes", "x: float", False),
        ("x: str", "x: float", False),
        ("self: 'C'", "self", False),
        ("x: tuple", "x: list", False),
    ],
)
def test_annotation_counts_where_a_decorator_may_read_it(
    fingerprint: Callable[..., str], old: str, new: str, counts: bool
) -> None:
    files = one_module(DISPATCH, lib="class Special(object): pass\n")
    assert (fingerprint(files) != fingerprint(edited(files, old, new))) is counts


def test_fingerprint_does_not_depend_on_what_was_asked_before(
    run_python: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "stages.py").write_text(
        GROUP + "class P(ParamGroup):\n    lr: float = 1.0\n    def m(self): return 1\n"
        "R = []\n@R.append\ndef h(p: P): return p\ndef a(x): return h\ndef b(x): return R\n"
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ml_pipeline.code.fingerprint import fingerprint_of\nimport stages\n"
        "for name in sys.argv[2]: fingerprint_of(getattr(stages, name))\n"
        "print(fingerprint_of(stages.a), fingerprint_of(stages.b))"
    )
    printed = {run_python(code, str(tmp_path), order) for order in ("ab", "ba")}
    assert len(printed) == 1


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
        (one_module("def stage(x):\n    from ml_pipeline.runs.stages import Result as R\n"
                    "    return R(x)\n"),
         "ml_pipeline.runs.stages"),
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
