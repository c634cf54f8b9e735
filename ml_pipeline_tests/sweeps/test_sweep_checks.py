"""Checks that block hold in a sweep, and the others are not asked there."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline_tests.toys import checked

pytestmark = pytest.mark.long

DAYS = [date(2026, 1, 3) + timedelta(days=place) for place in range(3)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOY_HOME", str(tmp_path))
    return tmp_path


def swept(folder: Path, least: int) -> Swept:
    request = SweepRequest.parse(
        checked.PIPELINE.params,
        {
            "lot": {"home": str(folder)},
            "scale": {"factor": [1, 2]},
            "limits": {"least": least},
            "search": {"workers": 2},
        },
    )
    store = ArtifactStore(str(folder / "store"))
    return Sweep(request, DAYS, checked.PIPELINE, store, str(folder / "studies")).run()


def test_sweep_makes_nothing_of_a_date_that_does_not_pass_and_goes_on_with_others(
    folder: Path,
) -> None:
    found = swept(folder, least=4)
    done = sorted(str(cell.as_of) for cell in found.cells if cell.error is None)
    assert done == ["2026-01-04"] * 2 + ["2026-01-05"] * 2
    assert [cell.as_of for cell in found.failures] == [DAYS[0]] * 2
    (reason,) = found.failures_by_reason
    assert reason.startswith("sales of 2026-01-03 must pass its checks before anything is made")
    assert "'enough': there must be 4 rows, but there are 3" in reason
    made = folder / "store" / "total"
    assert {path.name for path in made.iterdir()} == {"as_of=2026-01-04", "as_of=2026-01-05"}
    assert sorted(checked.asked()) == ["enough"] * 3
    # What is published already is not used either, and not asked again.
    again = swept(folder, least=4)
    assert len(again.failures) == 2
    assert again.plan.reused == 4
    assert checked.asked() == []


def test_sweep_over_what_is_published_asks_what_nobody_has_asked(folder: Path) -> None:
    store = ArtifactStore(str(folder / "store"))
    maker = Materializer(checked.PIPELINE, store, asked="none")
    for day in DAYS:
        list(maker.run(checked.PIPELINE.params.parse({"factor": 1}), day))
    found = swept(folder, least=4)
    assert [cell.as_of for cell in found.failures] == [DAYS[0]] * 2
    assert sorted(checked.asked()) == ["enough"] * 3
    assert len(swept(folder, least=2).failures) == 0
