"""Packages of stages as texts, to be written to disk, edited and imported again."""

import textwrap
from collections.abc import Mapping
from typing import TypeAlias

Files: TypeAlias = Mapping[str, str]

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
GROUP = "from ml_pipeline import ParamGroup\nfrom typing import ClassVar\n"
LIB = "def f(x): return x + 1\n"


def one_module(text: str, **others: str) -> Files:
    modules = {f"team/{name}.py": other for name, other in others.items()}
    return {"team/__init__.py": "", STAGES: text} | modules


def edited(files: Files, old: str, new: str) -> Files:
    """Replace a text that is in exactly one of the files."""
    if sum(text.count(old) for text in files.values()) != 1:
        raise ValueError(f"{old!r} must be in one place")
    return {path: text.replace(old, new) for path, text in files.items()}
