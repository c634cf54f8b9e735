"""The toy pipeline as source text that can be edited, for tests of what counts as a change.

What a stage computes with hangs at a different place for each: in its own body, in a constant of
its module, in a function beside it, and in another module. The model is of a class of its own,
whose code runs where the model is used.
"""

import math
from pathlib import Path
from typing import Any, Final

from ml_pipeline_tests.toys.pipeline import STAGES

VERSIONS: Final = {"one": "1", "two": "2", "one, written differently": "3 - 2"}
"""Source of a number, by what people would call the version."""

PIECES: Final = (*STAGES, "lines")
"""What has a version of its own: the stages, and the class of the model."""

NUMBERS: Final = {"one": 1, "two": 2, "one, written differently": 1}

STYLES: Final = ("plain", "chatty", "spacious")

_PLAIN: Final = """\
import shifts
from datetime import date
from lines import Line
import polars as pl
from sklearn.linear_model import Ridge
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys.pipeline import PARAMS, Data, Fit, Shape, enter, outside, outside_digest

PIPELINE = Pipeline("edited", PARAMS, trusted=[Line])
FEATURES = {features}

def of_no_use():
    return "{style}"

def strength(fit):
    return fit.learning_rate + {model}

@PIPELINE.asset(reads=outside_digest)
def table(as_of: date, data: Data) -> pl.DataFrame:
    enter("table", as_of)
    first = outside(as_of) + {table}
    x = [as_of.day + place for place in range(data.rows)]
    y = [first + place * place % (3 + len(data.region)) for place in range(data.rows)]
    return pl.DataFrame({{"x": x, "y": y}})

@PIPELINE.asset
def features(table: pl.LazyFrame, shape: Shape) -> pl.LazyFrame:
    enter("features")
    return table.with_columns(z=pl.col("x") * shape.window + pl.col("y") % 2 + FEATURES)

@PIPELINE.asset
def model(features: pl.DataFrame, fit: Fit) -> Ridge:
    enter("model")
    ridge = Line(alpha=strength(fit))
    return ridge.fit(features[["z"]].to_numpy(), features["y"].to_numpy())

@PIPELINE.asset
def score(model: Ridge, table: pl.DataFrame) -> Result:
    enter("score")
    r2 = float(model.score(table[["x"]].to_numpy(), table["y"].to_numpy()))
    return Result({{"r2": r2, "shift": shifts.shift()}}, {{"r2": r2}})
"""

_LINES: Final = """\
from sklearn.linear_model import Ridge

class Line(Ridge):
    def predict(self, X):
        return super().predict(X) + {lines}
"""


def write(folder: Path, versions: dict[str, str], style: str) -> None:
    """Write the modules `edited`, `lines` and `shifts`.

    Args:
        folder: for ``sys.path``.
        versions: a key of `VERSIONS` for each of `PIECES`.
        style: one of `STYLES`.
    """
    numbers = {piece: VERSIONS[name] for piece, name in versions.items()}
    text = _PLAIN.format(style=style, **numbers)
    lines = _LINES.format(**numbers)
    shifts = f"def shift() -> int:\n    return {VERSIONS[versions['score']]}\n"
    if style == "chatty":
        text = '"""What this is."""\n' + text
        for line in ('    enter("', "    ridge = ", "    return "):
            text = text.replace(line, f"    # a remark\n{line}")
        text = text.replace(
            "shape: Shape) -> pl.LazyFrame:\n", 'shape: Shape):\n    """What it does."""\n'
        )
        lines = lines.replace("(self, X):", '(self, X):\n        """Shifted."""')
        shifts = shifts.replace(":\n", ':\n    "Return it."\n')
    if style == "spacious":
        text = text.replace("(", "(\n        ").replace("\n\n", "\n\n\n\n").replace('"', "'")
        shifts = "\n\nimport math\n\n" + shifts.replace("return ", "return (\n") + ")\n"
    (folder / "edited.py").write_text(text)
    (folder / "lines.py").write_text(lines)
    (folder / "shifts.py").write_text(shifts)


def alike(mine: Any, theirs: Any) -> bool:
    """Whether two values are the same but for rounding: arrays of another layout add otherwise."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(alike(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(alike, mine, theirs))
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return bool(mine == theirs)
