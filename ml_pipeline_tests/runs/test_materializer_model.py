"""Random histories of changes, accidents and runs, against a model that knows only plain tuples.

The model keeps a list of what is published and decides by comparing values. After every run, the
stages that were really executed and the values that the store gives back must be the model's.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from ml_pipeline_tests.toys import editor as toy_editor
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.pipeline import STAGES
from ml_pipeline_tests.toys.process import Job, Report, Running, run

pytestmark = pytest.mark.long

DAYS = ("2026-01-05", "2026-01-06")
UPSTREAM = {
    "table": (),
    "features": ("table",),
    "model": ("features",),
    "score": ("model", "table"),
}
SCOPE = {
    "table": ("region", "rows"),
    "features": ("region", "rows", "window"),
    "model": ("region", "rows", "window", "learning_rate"),
    "score": ("region", "rows", "window", "learning_rate"),
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "region": ("north", "so/uth"),
    "rows": (5, 7),
    "window": (2, 3),
    "learning_rate": (0.1, 1),
    "workers": (1, 2),
}
SELECTIONS = (None, ("table",), ("features", "model"), ("model",), ("score",), ("table", "score"))


class Stopped(Exception):
    """The model foresees that the run ends here with an error of this type."""


@dataclass
class Published:
    """What the model believes to be in the store: one revision.

    `state` is "sound"; "short" if the size of its bytes tells that they are damaged; "flipped" if
    only the digest does; "unreadable" if the record is.
    """

    slot: tuple[Any, ...]
    code: tuple[str, ...]
    inputs: tuple[Any, ...]
    outside: int | None
    value: Any
    number: int
    state: str = "sound"
    directory: str | None = None

    @property
    def usable(self) -> bool:
        return self.state in ("sound", "flipped")

    def same_as(self, other: "Published") -> bool:
        mine, theirs = (
            (one.slot, one.code, one.inputs, one.outside, one.value) for one in (self, other)
        )
        return mine == theirs


@dataclass
class World:
    """Everything that a run depends on, as plain values."""

    params: dict[str, Any] = field(default_factory=lambda: {n: v[0] for n, v in CHOICES.items()})
    code: dict[str, str] = field(default_factory=lambda: dict.fromkeys(toy_editor.PIECES, "one"))
    style: str = "plain"
    outside: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DAYS, 0))

    def copy(self) -> "World":
        return World(dict(self.params), dict(self.code), self.style, dict(self.outside))

    def code_of(self, stage: str) -> tuple[str, ...]:
        """What counts as the code of a stage: the model's class is part of the model's."""
        return (self.code[stage], self.code["lines"]) if stage == "model" else (self.code[stage],)

    def seen(self, stage: str, value: Any) -> Any:
        """What a value is for those that read it: of the model, its class is part."""
        return (value, self.code["lines"]) if stage == "model" else value

    def compute(self, stage: str, day: str, inputs: Mapping[str, Any]) -> Any:
        """Compute a stage in the plainest way."""
        shift = toy_editor.NUMBERS[self.code[stage]]
        if stage == "table":
            numbers = range(self.params["rows"])
            first, period = self.outside[day] + shift, 3 + len(self.params["region"])
            return {
                "x": [date.fromisoformat(day).day + n for n in numbers],
                "y": [first + n * n % period for n in numbers],
            }
        if stage == "features":
            rows = inputs["table"]
            pairs = zip(rows["x"], rows["y"], strict=True)
            return {**rows, "z": [x * self.params["window"] + y % 2 + shift for x, y in pairs]}
        if stage == "model":
            z, y = inputs["features"]["z"], inputs["features"]["y"]
            ridge = Ridge(alpha=float(self.params["learning_rate"]) + shift)
            ridge.fit(np.array(z).reshape(-1, 1), np.array(y))
            return {
                "alpha": ridge.alpha,
                "coef": ridge.coef_.tolist(),
                "at": float(ridge.intercept_),
            }
        ridge = Ridge()
        line = inputs["model"]
        ridge.coef_ = np.array(line["coef"])
        ridge.intercept_ = line["at"]
        x, y = inputs["table"]["x"], inputs["table"]["y"]
        predicted = ridge.predict(np.array(x).reshape(-1, 1))
        predicted += toy_editor.NUMBERS[self.code["lines"]]
        return {"r2": float(r2_score(np.array(y), predicted)), "shift": shift}

    def fresh(self, day: str) -> dict[str, Any]:
        """Compute everything."""
        values: dict[str, Any] = {}
        for stage in STAGES:
            values[stage] = self.compute(stage, day, values)
        return values


class Model:
    """What must happen."""

    def __init__(self) -> None:
        self.store: dict[tuple[Any, ...], list[Published]] = {}
        self.count = 0

    def key(self, world: World, stage: str, day: str) -> tuple[Any, ...]:
        return (stage, day, *(world.params[name] for name in SCOPE[stage]))

    def slot(self, world: World, stage: str, day: str) -> list[Published]:
        return self.store.setdefault(self.key(world, stage, day), [])

    def current(
        self, world: World, stage: str, day: str, inputs: Mapping[str, Published]
    ) -> Published | None:
        """The revision that current code and data give, in whatever state."""
        values = tuple(world.seen(name, inputs[name].value) for name in UPSTREAM[stage])
        outside = world.outside[day] if stage == "table" else None
        for revision in self.slot(world, stage, day):
            if (revision.code, revision.inputs, revision.outside) == (
                world.code_of(stage),
                values,
                outside,
            ):
                return revision
        return None

    def locate(self, world: World, stage: str, day: str) -> Published:
        """What a run uses that does not make this stage itself."""
        try:
            inputs = {name: self.locate(world, name, day) for name in UPSTREAM[stage]}
            current = self.current(world, stage, day, inputs)
        except Stopped:
            current = None
        if current is not None and current.usable:
            return current
        readable = [r for r in self.slot(world, stage, day) if r.state != "unreadable"]
        if not readable:
            raise Stopped("ArtifactMissing")
        return max(readable, key=lambda revision: revision.number)

    def run(
        self, world: World, day: str, selection: tuple[str, ...] | None, told: str | None
    ) -> tuple[dict[str, Published | None], list[str], list[str], str | None]:
        """Foresee a run.

        Returns:
            The artifacts of the selected stages, None for one that has been lost meanwhile; those
            of them that are computed; the calls in order, repairs included; and the type of the
            error that ends it.
        """
        known: dict[str, Published] = {}
        made: dict[str, Published] = {}
        computed: list[str] = []
        calls: list[str] = []
        try:
            for stage in STAGES:
                if selection is not None and stage not in selection:
                    continue
                for name in UPSTREAM[stage]:
                    if name not in known:
                        known[name] = self.locate(world, name, day)
                revision = self.current(world, stage, day, known)
                if revision is None or not revision.usable:
                    for name in UPSTREAM[stage]:
                        known[name] = self.loaded(world, name, day, known[name], calls, told)
                    revision = self.compute(world, stage, day, known, calls, told)
                    computed.append(stage)
                known[stage] = made[stage] = revision
            error = None
        except Stopped as stopped:
            error = str(stopped)
        return self.as_it_is_now(made), computed, calls, error

    def as_it_is_now(self, made: Mapping[str, Published]) -> dict[str, Published | None]:
        """What stands for each revision after repairs."""
        published = [revision for slot in self.store.values() for revision in slot]
        return {
            stage: next((r for r in published if r.same_as(revision)), None)
            for stage, revision in made.items()
        }

    def loaded(
        self,
        world: World,
        stage: str,
        day: str,
        revision: Published,
        calls: list[str],
        told: str | None,
    ) -> Published:
        """An input as it is after loading: one that was damaged has been made again."""
        if revision.state == "sound":
            return revision
        inputs = {name: self.locate(world, name, day) for name in UPSTREAM[stage]}
        slot = self.slot(world, stage, day)
        slot.remove(revision)
        try:
            for name in UPSTREAM[stage]:
                inputs[name] = self.loaded(world, name, day, inputs[name], calls, told)
            again = self.compute(world, stage, day, inputs, calls, told)
        except Stopped:
            slot.append(revision)
            raise
        if again.value != revision.value:
            raise Stopped("ArtifactDamaged")
        again.directory = revision.directory
        return again

    def compute(
        self,
        world: World,
        stage: str,
        day: str,
        inputs: Mapping[str, Published],
        calls: list[str],
        told: str | None,
    ) -> Published:
        calls.append(stage)
        if told == stage:
            raise Stopped("RuntimeError")
        slot = self.slot(world, stage, day)
        standing = self.current(world, stage, day, inputs)
        if standing is not None:
            slot.remove(standing)
        self.count += 1
        revision = Published(
            self.key(world, stage, day),
            world.code_of(stage),
            tuple(world.seen(name, inputs[name].value) for name in UPSTREAM[stage]),
            world.outside[day] if stage == "table" else None,
            world.compute(stage, day, {name: inputs[name].value for name in UPSTREAM[stage]}),
            self.count,
            directory=standing.directory if standing is not None else None,
        )
        slot.append(revision)
        return revision


CHANGES = st.one_of(
    [st.tuples(st.just("param"), st.just(n), st.sampled_from(v)) for n, v in CHOICES.items()]
    + [
        st.tuples(
            st.just("code"),
            st.sampled_from(toy_editor.PIECES),
            st.sampled_from([*toy_editor.VERSIONS]),
        )
    ]
    + [st.tuples(st.just("style"), st.just(""), st.sampled_from(toy_editor.STYLES))]
    + [st.tuples(st.just("outside"), st.sampled_from(DAYS), st.integers(0, 2))]
)
BESIDE = ("record.json", "confirmed.json", "checks.json", "pictures.html", "card.md")
"""What stands beside the data of an artifact."""
DAMAGES = ("cut short", "bytes gone", "bits flipped", "record gone", "record garbled")


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Run the editable pipeline with versions by stage, and return what was computed."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("TOY_HOME", str(bench.home))
    code = tmp_path / "code"
    code.mkdir()

    def run_edited(style: str = "plain", **versions: str) -> list[str]:
        toy_editor.write(code, {**dict.fromkeys(toy_editor.PIECES, "one"), **versions}, style)
        report = run(bench.job(code=str(code)))
        assert report.errors == {}
        assert sorted(bench.started()) == sorted(report.computed())
        return report.computed()

    assert run_edited() == list(STAGES)
    return run_edited


@pytest.mark.parametrize("stage", STAGES)
def test_edit_of_a_stage_without_effect_computes_that_stage_alone(
    edited: Callable[..., list[str]], stage: str
) -> None:
    assert edited(**{stage: "one, written differently"}) == [stage]
    assert edited() == []


@pytest.mark.parametrize("stage", STAGES)
def test_edit_of_a_stage_with_effect_computes_what_lies_below(
    edited: Callable[..., list[str]], stage: str
) -> None:
    below = {"table": STAGES, "features": STAGES[1:], "model": STAGES[2:], "score": STAGES[3:]}
    assert edited(**{stage: "two"}) == list(below[stage])
    assert edited() == []


@pytest.mark.parametrize("version", ["two", "one, written differently"])
def test_edit_of_the_class_of_a_model_computes_what_makes_and_what_reads_it(
    edited: Callable[..., list[str]], version: str
) -> None:
    assert edited(lines=version) == ["model", "score"]
    assert edited() == []


@pytest.mark.parametrize("style", toy_editor.STYLES)
def test_edit_of_comments_docstrings_and_layout_computes_nothing(
    edited: Callable[..., list[str]], style: str
) -> None:
    assert edited(style) == []


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="toy-"))
        self.code = self.folder / "code"
        self.home = self.folder / "home"
        self.store = self.folder / "store"
        for folder in (self.code, self.home, self.store):
            folder.mkdir()
        self.world, self.before = World(), World()
        self.model = Model()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            try:
                self.run(DAYS, None, None)
            finally:
                shutil.rmtree(self.folder)

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=2))
    def change(self, changes: list[tuple[str, str, Any]]) -> None:
        self.before = self.world.copy()
        for what, name, value in changes:
            if what == "param":
                self.world.params[name] = value
            elif what == "code":
                self.world.code[name] = value
            elif what == "style":
                self.world.style = value
            else:
                self.world.outside[name] = value

    @rule()
    def revert(self) -> None:
        self.world, self.before = self.before, self.world

    @precondition(lambda self: any(self.damageable()))
    @rule(pick=st.integers(0, 1_000), how=st.sampled_from(DAMAGES), where=st.floats(0, 1))
    def damage(self, pick: int, how: str, where: float) -> None:
        choice = list(self.damageable())
        slot, revision = choice[pick % len(choice)]
        directory = self.store / str(revision.directory)
        record = directory / "record.json"
        (data,) = (file for file in directory.glob("*.*") if file.name not in BESIDE)
        content = bytearray(data.read_bytes())
        place = int(where * (len(content) - 1))
        if how == "cut short":
            os.truncate(data, place)
            revision.state = "short"
        elif how == "bytes gone":
            data.unlink()
            revision.state = "short"
        elif how == "bits flipped":
            content[place] ^= 0x11
            data.write_bytes(content)
            revision.state = "flipped"
        elif how == "record gone":
            record.unlink()
            slot.remove(revision)
        else:
            record.write_bytes(record.read_bytes()[: int(where * (record.stat().st_size - 3))])
            revision.state = "unreadable"

    def damageable(self) -> list[tuple[list[Published], Published]]:
        return [
            (slot, revision)
            for slot in getattr(self, "model", Model()).store.values()
            for revision in slot
            if revision.state == "sound" and revision.directory is not None
        ]

    @rule(
        days=st.sampled_from([DAYS[:1], DAYS, DAYS[:1]]),
        selection=st.sampled_from([None, *SELECTIONS]),
        told=st.one_of(
            st.none(),
            st.none(),
            st.tuples(st.sampled_from(["raise", "exit"]), st.sampled_from(STAGES)),
        ),
    )
    def run(
        self,
        days: tuple[str, ...],
        selection: tuple[str, ...] | None,
        told: tuple[str, str] | None,
    ) -> None:
        toy_editor.write(self.code, self.world.code, self.world.style)
        for day, number in self.world.outside.items():
            (self.home / f"outside-{day}").write_text(str(number))
        (self.home / "calls").unlink(missing_ok=True)
        order = self.home / "-".join(told) if told else None
        if order is not None:
            order.touch()
        report = Running(
            Job(
                store=str(self.store),
                home=str(self.home),
                params=self.world.params,
                dates=days,
                selection=selection,
                code=str(self.code),
            )
        ).wait()
        if order is not None:
            order.unlink()
        called = self.home / "calls"
        calls = called.read_text().splitlines() if called.exists() else []
        expected = {}
        for day in days:
            expected[day] = self.model.run(self.world, day, selection, told[1] if told else None)
            if told and told[0] == "exit" and expected[day][-1] == "RuntimeError":
                assert report is None, "the process should have died"
                break
        else:
            assert report is not None, "the process died"
            self.compare(report, expected, selection is None)
        assert calls == [stage for _, _, these, _ in expected.values() for stage in these]

    def compare(
        self,
        report: Report,
        expected: Mapping[str, tuple[dict[str, Published | None], list[str], list[str], Any]],
        is_whole: bool,
    ) -> None:
        for day, (made, computed, _, error) in expected.items():
            assert report.errors.get(day, (None,))[0] == error, report.errors
            assert [one.stage for one in report.made[day]] == list(made)
            assert report.computed(day) == computed, report.made[day]
            for one in report.made[day]:
                revision = made[one.stage]
                if revision is None or revision.state != "sound":
                    assert one.value == "damaged"
                    continue
                revision.directory = one.directory
                assert toy_editor.alike(one.value, revision.value), one
                if is_whole and error is None:
                    assert toy_editor.alike(revision.value, self.world.fresh(day)[one.stage])


Histories.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
TestHistoriesOfChangesAndAccidents = Histories.TestCase
