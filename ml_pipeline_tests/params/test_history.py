"""Whatever parameters are renamed, added and retired, a run is found by its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pydantic
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.history import completed, present, told
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.layers import gathered, like
from ml_pipeline.params.marks import added_later, renamed_from
from ml_pipeline.params.model import ParamModel, ParamSet


@dataclass
class Field:
    """A field as it is now.

    Attributes:
        first: the name by which runs knew it first.
        names: all names that it had.
        value: what the run has for it.
        literal: what runs had in effect before it, if it was added.
    """

    first: str
    value: Any
    names: list[str] = field(default_factory=list)
    literal: Any = ...


@dataclass
class Group:
    """A group, or a field that holds others, as it is now."""

    fields: dict[str, Field]
    retired: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def cls(self, base: type[pydantic.BaseModel], **more: Any) -> type[Any]:
        known: dict[str, Any] = {}
        for name, one in self.fields.items():
            marks = renamed_from(*one.names) if one.names else {}
            marks |= {} if one.literal is ... else added_later(one.literal)
            known[name] = (int, pydantic.Field(default=0, json_schema_extra=marks))
        made = pydantic.create_model("Group", __base__=base, **known, **more)
        made.retired = dict(self.retired)  # type: ignore[attr-defined]
        return made


class Base(pydantic.BaseModel):
    retired: ClassVar[Mapping[str, Any]] = {}


@dataclass
class World:
    """All parameters: a group `g`, whose field `s` holds others."""

    top: Group
    inner: Group
    group: str = "g"
    former: tuple[str, ...] = ()
    section: str = "s"

    def model(self) -> ParamModel:
        marks = renamed_from(*self.inner.names) if self.inner.names else {}
        section = self.inner.cls(Base)
        within = (section, pydantic.Field(default=section(), json_schema_extra=marks))
        group = self.top.cls(ParamGroup, **{self.section: within})
        group.formerly = self.former
        return ParamModel(**{self.group: group})

    def params(self) -> ParamSet:
        values: dict[str, Any] = {name: one.value for name, one in self.top.fields.items()}
        values[self.section] = {name: one.value for name, one in self.inner.fields.items()}
        return self.model().validate({self.group: values})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["rename", "add", "retire", "group", "section"]),
        st.booleans(),
        st.integers(0, 9),
        st.integers(-3, 3),
    ),
    max_size=8,
)


def changed(world: World, step: int, kind: str, is_inner: bool, place: int, value: int) -> None:
    """Change what is declared and say so, as a user would."""
    holder = world.inner if is_inner else world.top
    if kind == "group":
        world.former, world.group = (*world.former, world.group), f"g{step}"
    elif kind == "section":
        world.inner.names, world.section = [*world.inner.names, world.section], f"s{step}"
    elif kind == "add":
        holder.fields[f"f{step}"] = Field(f"f{step}", value, literal=value)
    elif holder.fields:
        name = list(holder.fields)[place % len(holder.fields)]
        one = holder.fields.pop(name)
        if kind == "rename":
            one.names.append(name)
            holder.fields[f"f{step}"] = one
        elif one.literal is ...:
            # One that was added with this value was never part of the id.
            holder.retired[one.first] = one.value


def flat(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted name, but those of fields that are gone."""
    found = {}
    for dotted in known:
        at: Any = values
        for step in dotted.split("."):
            at = at[step]
        found[dotted] = at
    return found


@settings(max_examples=60)
@given(STEPS, st.lists(st.integers(-3, 3), min_size=4, max_size=4))
def test_any_declared_changes_keep_the_id_and_the_values_of_a_run(
    steps: list[tuple[str, bool, int, int]], values: list[int]
) -> None:
    fields = [Field(name, value) for name, value in zip("abcd", values, strict=True)]
    named = {one.first: one for one in fields}
    world = World(
        Group({name: named[name] for name in "ab"}), Group({name: named[name] for name in "cd"})
    )
    before = world.params()
    identity = before.identity_values(before.model.scope)
    recorded = [before.values()]
    for step, (kind, is_inner, place, value) in enumerate(steps):
        changed(world, step, kind, is_inner, place, value)
        now = world.params()
        model = now.model
        assert run_id(now.identity_values(model.scope), None) == run_id(identity, None)
        assert model.validate(completed(model, identity)) == now
        assert set(present(model, identity)) <= {p.dotted for p in model.parameters()}
        assert told(model, identity).keys() <= {p.told for p in model.parameters()}
        # What any earlier version wrote down are these values, and some that are gone.
        recorded.append(now.values())
        known = now.flat()
        for written in recorded:
            assert flat(completed(model, written), known) == known
        layer = like(model, {"params": identity}, "an earlier run")
        assert gathered(model, [layer]).validated(model) == now


@settings(max_examples=60)
@given(STEPS.filter(len), st.integers(1, 9))
def test_value_other_than_that_of_the_run_has_another_id(
    steps: list[tuple[str, bool, int, int]], other: int
) -> None:
    world = World(Group({"a": Field("a", 0)}), Group({"c": Field("c", 0)}))
    for step, (kind, is_inner, place, value) in enumerate(steps):
        changed(world, step, kind, is_inner, place, value)
    now = world.params()
    values = now.values()[world.group]
    for name in world.top.fields:
        moved = {**values, name: values[name] + other}
        found = now.model.validate({world.group: moved})
        assert found.identity_values(now.model.scope) != now.identity_values(now.model.scope)
