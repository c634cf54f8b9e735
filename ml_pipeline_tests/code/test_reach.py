"""What a definition reaches."""

from collections.abc import Callable

import pytest

from ml_pipeline_tests.toys.packages import GROUP, LIB, STAGES, Files, edited, one_module


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


def test_function_beside_one_that_is_used_counts_in_another_module_only(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(STAGE + "def beside(x): return x - 40\n" + IMPORT, lib=FAST)
    assert fingerprint(files) != fingerprint(edited(files, "x - 30", "x - 31"))
    assert fingerprint(files) == fingerprint(edited(files, "x - 40", "x - 41"))


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


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\ndef stage(x): return importlib.import_module('team.lib').f(x)\n",
        (
            "from importlib import import_module\nlib = import_module('.lib', __package__)\n"
            "def stage(x): return lib.f(x)\n"
        ),
        "def stage(x): return __import__('team.lib').lib.f(x)\n",
        "def f(x): return x + 1\ndef stage(x): return globals()['f'](x)\n",
        "def f(x): return x + 1\ndef stage(x): return eval('f(x)')\n",
        (
            "import sys\ndef f(x): return x + 1\n"
            "def stage(x): return getattr(sys.modules[__name__], 'f')(x)\n"
        ),
        (
            "def f(x): return x + 1\n"
            "ALL = [one for name, one in list(globals().items()) if name == 'f']\n"
            "def stage(x): return ALL[0](x)\n"
        ),
    ],
    ids=["import_module", "relative", "__import__", "globals", "eval", "sys.modules", "table"],
)
def test_what_is_found_by_a_text_counts(fingerprint: Callable[..., str], text: str) -> None:
    others = {} if "+ 1" in text else {"lib": LIB}
    files = one_module(text, **others)
    assert fingerprint(files) != fingerprint(edited(files, "+ 1", "+ 2"))
