"""One location taken through all degrees of adoption, as the page on it shows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_pipeline_tests.e2e.server import environment, tool
from ml_pipeline_tests.toys import adoption

pytestmark = pytest.mark.long

CHILD = Path(adoption.__file__).with_name("adoption_child.py")
DEGREES = (0, 1, 2, 3)


def ops(**configs: Any) -> dict[str, Any]:
    return {"ops": {op: {"config": config} for op, config in configs.items()}}


def params(**groups: Any) -> dict[str, Any]:
    return {"resources": {"params": {"config": groups}}}


def ran(folder: Path, *configs: dict[str, Any]) -> Any:
    """Run the location in a folder, on the store and instance of that folder."""
    (folder / "instance").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(CHILD), str(folder / "instance"), json.dumps(configs)],
        env={**environment(folder / "home"), "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("ml-pipeline"), "-m", "flats", *arguments],
        env={**environment(folder / "home"), "PATH": os.environ["PATH"]},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """What each degree comes to in turn: a run, it again, another, and one that is not valid."""
    folder = tmp_path_factory.mktemp("flats")
    found: dict[int, Any] = {}
    for degree in DEGREES:
        (folder / "flats.py").write_text(adoption.location(degree))
        of = params if degree == 3 else ops
        found[degree] = ran(
            folder, {}, {}, of(model={"alpha": 2}), of(features={"flats": 0}, model={"alpha": -1.0})
        )
        if degree > 1:
            found[degree]["listed"] = json.loads(command(folder, "runs", "list", "--json").stdout)
            found[degree]["run"] = command(folder, "run", "--as-of", "2026-01-06")
    return found


def test_location_is_the_same_to_dagster_through_all_degrees(told: dict[int, Any]) -> None:
    shapes = [told[degree]["shape"] for degree in DEGREES]
    assert shapes[0]["job"] == ["features", "model", "score"]
    assert shapes[0]["schedules"] == ["train_schedule"]
    assert shapes[1:] == shapes[:1] * 3


def test_runs_succeed_and_are_checked_at_every_degree(told: dict[int, Any]) -> None:
    for degree in DEGREES:
        for run in told[degree]["runs"][:3]:
            assert (run["success"], run["checks"]) == (True, [True]), (degree, run)


def test_what_is_not_valid_is_refused_from_the_first_degree_on(told: dict[int, Any]) -> None:
    none, first, second, third = (told[degree]["runs"][3] for degree in DEGREES)
    assert (none["success"], none["runs"]) == (False, 1)
    assert first["runs"] == second["runs"] == third["runs"] == 0
    assert first["refused"] == second["refused"] == adoption.blocks("text")[0].rstrip()
    for problem in ("features.flats must be integer > 1", "model.alpha must be number >= 0"):
        assert problem in third["refused"]


def test_second_degree_reuses_what_has_not_changed_and_the_third_all(
    told: dict[int, Any],
) -> None:
    def reused(degree: int, place: int) -> list[str]:
        made = told[degree]["runs"][place]["made"]
        return [asset for asset in ("features", "model", "score") if made[asset]["reused"]]

    assert [reused(2, place) for place in range(3)] == [[], ["model", "score"], []]
    # The function of the model is the same in both, so it is the second degree's.
    everything = ["features", "model", "score"]
    assert [reused(3, place) for place in range(3)] == [["model"], everything, everything[:2]]
    assert told[2]["runs"][2]["made"]["score"]["reason"].startswith("score: computed: alpha 1.0")


def test_run_ids_are_the_same_for_the_second_and_the_third_degree(told: dict[int, Any]) -> None:
    def ids(degree: int) -> list[dict[str, str]]:
        runs = told[degree]["runs"][:3]
        return [{asset: one["run_id"] for asset, one in run["made"].items()} for run in runs]

    assert ids(2) == ids(3)
    listed = [{run["run_id"] for run in told[degree]["listed"]["runs"]} for degree in (2, 3)]
    assert listed[0] == listed[1] == {run["score"] for run in ids(2)}


def test_commands_that_need_a_pipeline_say_so_where_there_is_none(told: dict[int, Any]) -> None:
    assert told[2]["run"].returncode == 2
    assert "must have a pipeline, but flats has assets" in told[2]["run"].stderr
    assert told[3]["run"].returncode == 0, told[3]["run"].stderr


def test_edited_function_is_computed_again_and_named(tmp_path: Path) -> None:
    text = adoption.location(2)
    (tmp_path / "flats.py").write_text(text)
    ran(tmp_path, {})
    edited = text.replace("Ridge(config.alpha)", "Ridge(2 * config.alpha)")
    assert edited != text
    (tmp_path / "flats.py").write_text(edited)
    made = ran(tmp_path, {})["runs"][0]["made"]
    assert made["model"]["reason"].startswith("model: computed: code changed since revision")
    assert "'model' in module flats" in made["model"]["reason"]
    assert "input model changed" in made["score"]["reason"]


def test_config_of_the_page_is_that_of_the_third_degree() -> None:
    (block,) = adoption.blocks("yaml")
    assert yaml.safe_load(block) == params(model={"alpha": 2})
