"""What changes what others defined."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_pipeline_tests.toys.packages import GROUP, STAGES, Files, edited, one_module

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


def test_call_of_a_method_of_what_the_module_defines_counts_beside_the_stage(
    fingerprint: Callable[..., str],
) -> None:
    files = one_module(NEIGHBOURS + "TABLE = {'a': 1}\nKEYS = sorted(TABLE.items())\n")
    assert fingerprint(files) != fingerprint(edited(files, "'a': 1", "'a': 2"))


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
    if "UNRELATED" in files[STAGES]:
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
    ("old", "new"),
    [
        ("x: int", "x: float"),
        ("object", "int"),
        ("x: bytes", "x: float"),
        ("x: str", "x: float"),
        ("self: 'C'", "self"),
    ],
)
def test_annotation_counts_as_a_decorator_may_read_it(
    fingerprint: Callable[..., str], old: str, new: str
) -> None:
    files = one_module(DISPATCH, lib="class Special(object): pass\n")
    assert fingerprint(files) != fingerprint(edited(files, old, new))


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
        "print(fingerprint_of(stages.a).digest, fingerprint_of(stages.b).digest)"
    )
    printed = {run_python(code, str(tmp_path), order) for order in ("ab", "ba")}
    assert len(printed) == 1
