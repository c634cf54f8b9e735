"""Figures as pictures: drawn alike in every process, shown in the UI, read back as a picture."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.formats import Picture
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.keeping import kept
from ml_pipeline_tests.toys.pipeline import PARAMS, Data

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path id="a" d="M0 0"/></svg>'

matplotlib_and_altair = pytest.mark.long


def figure(points: int = 3) -> Any:
    from matplotlib.figure import Figure

    drawn = Figure()
    axes = drawn.subplots()
    axes.plot(range(points), [n % 7 for n in range(points)], "o", clip_on=True)
    axes.set_title("é <&>")
    return drawn


def chart(points: int = 3) -> Any:
    import altair as alt

    frame = pl.DataFrame({"x": range(points), "y": [n % 7 for n in range(points)]})
    return alt.Chart(frame).mark_point(clip=True).encode(x="x:Q", y="y:Q").interactive()


def files(value: Any, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    assert kept(value, folder).name == "picture"
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@matplotlib_and_altair
@pytest.mark.parametrize(
    ("make", "names"), [(figure, {"picture.svg"}), (chart, {"picture.svg", "spec.json"})]
)
def test_figure_is_drawn_alike_and_comes_back_as_a_picture(
    make: Callable[..., Any], names: set[str], tmp_path: Path
) -> None:
    value = make()
    first = files(value, tmp_path / "one")
    assert first.keys() == names
    assert first == files(value, tmp_path / "two") == files(make(), tmp_path / "three")
    again = kept(value, tmp_path / "one").read(tmp_path / "one", lazy=False)
    assert again.svg == first["picture.svg"].decode()
    assert (again.spec is None) == (make is figure)
    assert files(again, tmp_path / "four") == first
    many = files(make(3000), tmp_path / "many")["picture.svg"]
    assert base64.b64encode(b"\x89PNG\r\n")[:6] in many
    assert len(many) < 300_000


def test_picture_comes_back_and_what_is_no_svg_is_refused(tmp_path: Path) -> None:
    value = Picture(SVG + "\r\n", {"mark": "point"})
    files(value, tmp_path / "one")
    assert kept(value, tmp_path / "one").read(tmp_path / "one", lazy=False) == value
    with pytest.raises(PipelineError, match="A picture must be an SVG, but begins with 'x'"):
        files(Picture("x"), tmp_path / "two")


def test_picture_that_a_stage_returns_is_shown_and_read(bench: Bench) -> None:
    bench.pipeline = Pipeline("pictures", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def plot(data: Data) -> Picture:
        return Picture(SVG)

    @bench.pipeline.asset(code_version="1")
    def size(plot: Picture) -> Result:
        return Result(len(plot.svg), picture=plot)

    @bench.pipeline.asset(code_version="1")
    def many(plot: Picture) -> Result:
        return Result(0, picture=plot, pictures={"roc <&>": SVG, "again": SVG})

    @bench.pipeline.asset(code_version="1")
    def wrong(plot: Picture, size: int) -> Result:
        drawings = {"picture": SVG, "": SVG, "x": "no drawing", "y": 3}
        return Result((size, plot), picture=SVG, pictures=drawings)

    made = bench.run(["plot", "size", "many"], as_of=None)
    assert bench.value(made["size"]) == len(SVG)
    shown = [bench.pictures(one) for one in made.values()]
    assert shown[:2] == [{"picture": SVG}, {"picture": SVG}]
    assert list(shown[2].items()) == [("picture", SVG), ("roc <&>", SVG), ("again", SVG)]
    with pytest.raises(PipelineError) as caught:
        bench.run(as_of=None)
    assert str(caught.value).splitlines() == [
        "Picture 'picture' of 'wrong' is not shown. There is one of that name already. Rename it.",
        (
            "Picture '' of 'wrong' is not shown. Its name must be text of 1 to 100 printable"
            " characters. Rename it."
        ),
        (
            "Picture 'x' of 'wrong' is not shown. It must be an SVG, but begins with 'no drawing'."
            " Give it the text of one."
        ),
        (
            "Picture 'y' of 'wrong' is not shown. A picture must be a Picture, the text of an SVG,"
            " or a figure of matplotlib or Altair, but is int."
        ),
    ]
