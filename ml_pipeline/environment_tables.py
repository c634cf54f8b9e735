"""Tables of environments: read, laid over each other, and checked, all problems at once.

One table for each, as it is written; what a table does not say it has from the one that it
inherits, and in the end from the settings that stand outside of tables, the base. A list of names
in place of tables configures nothing: they are what runs can be promoted to in the one store.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote

import pydantic

from ml_pipeline.addresses import masked, refusal_of, without_credentials
from ml_pipeline.environments import BASE, Environment, Environments
from ml_pipeline.errors import nearest
from ml_pipeline.places import Source
from ml_pipeline.projects import placed
from ml_pipeline.retention import Retention, problems_of
from ml_pipeline.text import quoted

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_NOTHING: Final = ("none", "null")
_NAME_RULE: Final = "lower-case letters, digits, _ and -, beginning with a letter"

_Text = Annotated[str, pydantic.Field(min_length=1)]


class Table(pydantic.BaseModel):
    """An environment as it is written."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    inherits: _Text | None = None
    store: _Text | None = None
    shares_store: bool = False
    studies: _Text | None = None
    sources: Mapping[str, Source] = pydantic.Field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = pydantic.Field(default_factory=dict)
    limits: Mapping[str, Mapping[str, Any]] = pydantic.Field(default_factory=dict)
    reads: Sequence[_Text] | None = None
    gate: Mapping[str, Any] | None = None
    retention: Mapping[str, Any] = pydantic.Field(default_factory=dict)
    mlflow_tracking_uri: str | None = None


def read_environments(
    raw: Any, base: Environment, default: str | None, writable: Sequence[str] | None
) -> Environments:
    """Read what is set under the name of environments.

    Args:
        raw: a list of names, or tables by name.
        base: what holds outside of all tables.
        default: the one that runs are in unless they say otherwise, if that is set.
        writable: those that may be written to, if that is set; the default alone otherwise.

    Raises:
        ValueError: with a line for every problem.
    """
    problems: list[str] = []
    if isinstance(raw, Environments):
        return raw
    problems += problems_of(base.retention, "retention")
    if not isinstance(raw, Mapping):
        names = _names(raw, problems)
        for setting, given in (("environment", default), ("writable", writable)):
            if given is not None:
                problems.append(
                    f"{setting}: tables [environments.NAME] must say what it names, but there are"
                    " none. Add one for each"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return Environments(base, names)
    tables, broken = _tables(raw, problems)
    known = [name for name in raw if isinstance(name, str)]
    _check_names(tables, known, default, writable, problems)
    chains = {name: _chain(name, tables) for name in tables}
    problems += dict.fromkeys(filter(None, (_circle(chain) for chain in chains.values())))
    found = {
        name: _resolved(name, [tables[one] for one in chain], chain, base)
        for name, chain in chains.items()
        if _circle(chain) is None
        and tables[chain[-1]].inherits is None
        # What a table lacks would be told as that of another.
        and not broken.intersection(chain)
    }
    if not problems:
        problems += _retained(found)
    problems += _shared(found, tables)
    if problems or default is None:
        raise ValueError("\n".join(problems))
    return Environments(base, (), found, default, [default] if writable is None else writable)


def _names(raw: Any, problems: list[str]) -> list[str]:
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        problems.append(f"environments: must be names or tables, but got {quoted(raw)}")
        return []
    problems += filter(None, map(_refusal_of, raw))
    return [str(name) for name in raw]


def _refusal_of(name: Any) -> str | None:
    """Say why an environment cannot have a name, or return None where it can."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"environments: a name must be {_NAME_RULE}, but got {quoted(name)}"
    if name in _NOTHING:
        return f"environments: a name must not be {name}, which a run reads as no environment"
    return None


def _tables(raw: Mapping[Any, Any], problems: list[str]) -> tuple[dict[str, Table], set[str]]:
    """Return the tables that there are, and the names of those that lack what cannot be read."""
    found: dict[str, Table] = {}
    broken: set[str] = set()
    for name, written in raw.items():
        here = f"environments.{name}"
        if (refused := _refusal_of(name)) is not None:
            problems.append(refused)
            continue
        problems += [f"{line}: {problem}" for line, problem in _credentials(here, written)]
        found[name], wrong = _table(here, written)
        broken |= {name} if wrong else set()
        problems += wrong
        if "environment" in found[name].params.get("run", {}):
            problems.append(f"{here}.params.run.environment: must be left out: it is '{name}'")
    return found, broken


def _table(here: str, written: Any) -> tuple[Table, list[str]]:
    """Return a table without the lines that cannot be read, and what is wrong with those."""
    try:
        return Table.model_validate(written), []
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
    wrong = {detail["loc"][0] for detail in details if detail["loc"]}
    rest = {name: value for name, value in written.items() if name not in wrong} if wrong else {}
    return Table.model_validate(rest), [_told(here, detail) for detail in details]


def _credentials(line: str, written: Any) -> Iterator[tuple[str, str]]:
    """Yield the place of every text that carries credentials, and why it may not."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            yield from _credentials(f"{line}.{masked(str(name))}", value)
    elif isinstance(written, list | tuple):
        for value in written:
            yield from _credentials(line, value)
    else:
        problem = refusal_of(line.rpartition(".")[2], written)
        if problem is not None:
            yield line, problem


def _told(here: str, detail: Any) -> str:
    place = [str(part) for part in detail["loc"] if part not in ("location", "place")]
    line = masked(".".join([here, *place]))
    if detail["type"] == "extra_forbidden":
        hint = nearest(place[-1], list(Table.model_fields)) if len(place) == 1 else ""
        takes = f" Environments take {', '.join(Table.model_fields)}." if not hint else ""
        return f"{line}: does not exist.{hint}{takes}".rstrip(".")
    return f"{line}: {detail['msg']}, got {quoted(without_credentials(detail['input']))}"


def _check_names(
    tables: Mapping[str, Table],
    known: Sequence[str],
    default: str | None,
    writable: Sequence[str] | None,
    problems: list[str],
) -> None:
    """Note every name that is none of an environment."""
    rule = f"must be one of {', '.join(known) or 'the tables [environments.NAME]'}"
    if default is None:
        problems.append(f"environment: {rule}, since runs are in one, but is not set")
    named = [("environment", [default] if default is not None else []), ("writable", writable)]
    for name, table in tables.items():
        named.append((f"environments.{name}.inherits", [table.inherits] if table.inherits else []))
        named.append((f"environments.{name}.reads", table.reads))
    for line, given in named:
        problems += [
            f"{line}: {rule}, but got {quoted(one)}.{nearest(one, known)}".rstrip(".")
            for one in given or ()
            if one not in known
        ]
    problems += [
        f"environments.{name}.reads: must name others, but names itself"
        for name, table in tables.items()
        if name in (table.reads or ())
    ]


def _chain(name: str, tables: Mapping[str, Table]) -> list[str]:
    """Return an environment and those that it inherits from; in a circle, the last is twice."""
    chain = [name]
    while (above := tables[chain[-1]].inherits) in tables and above is not None:
        chain.append(above)
        if above in chain[:-1]:
            break
    return chain


def _circle(chain: Sequence[str]) -> str | None:
    """Tell of a circle that a chain ends in, in the same words wherever it was entered."""
    if chain[-1] not in chain[:-1]:
        return None
    circle = list(chain[chain.index(chain[-1]) : -1])
    first = circle.index(min(circle))
    circle = [*circle[first:], *circle[:first]]
    shown = " -> ".join([*circle, circle[0]])
    return f"environments.{circle[0]}.inherits: must come to an end, but goes in a circle: {shown}"


def _resolved(
    name: str, tables: Sequence[Table], names: Sequence[str], base: Environment
) -> Environment:
    """Lay tables over the base, the nearest last."""
    lines: dict[str, Any] = {"store": base.store, "studies": base.studies, "reads": base.reads}
    lines |= {"gate": base.gate, "mlflow_tracking_uri": base.mlflow_tracking_uri}
    sources = dict(base.sources)
    params = {group: dict(values) for group, values in base.params.items()}
    limits: dict[str, dict[str, Any]] = {}
    retention = dict(base.retention)
    given_by = dict.fromkeys([*lines, *_below("sources", sources)], BASE)
    given_by |= dict.fromkeys(_fields_below("params", params), BASE)
    given_by |= dict.fromkeys(_below("retention", retention), BASE)
    for owner, table in reversed(list(zip(names, tables, strict=True))):
        own = {
            "store": placed(table.store) if table.store else None,
            "studies": placed(table.studies) if table.studies else None,
            "reads": tuple(table.reads) if table.reads is not None else None,
            "gate": table.gate,
            "mlflow_tracking_uri": table.mlflow_tracking_uri,
        }
        own = {line: value for line, value in own.items() if value is not None}
        lines |= own
        sources |= table.sources
        retention |= table.retention
        given = [*own, *_below("sources", table.sources), *_below("retention", table.retention)]
        for line, below, written in (
            ("params", params, table.params),
            ("limits", limits, table.limits),
        ):
            for group, values in written.items():
                below.setdefault(group, {}).update(values)
            given += _fields_below(line, written)
        given_by |= dict.fromkeys(given, owner)
    return Environment(
        name,
        **lines,
        sources=sources,
        params=params,
        limits=limits,
        retention=retention,
        given_by=given_by,
    )


def _retained(found: Mapping[str, Environment]) -> Iterator[str]:
    """Tell of retention that cannot be, or that differs in one store."""
    wrong = False
    for name, one in found.items():
        for problem in problems_of(one.retention, f"environments.{name}.retention"):
            wrong = True
            yield problem
    if wrong:
        return
    first: dict[str, str] = {}
    for name, one in found.items():
        other = first.setdefault(_place(one.store), name)
        theirs = Retention.model_validate(found[other].retention)
        if Retention.model_validate(one.retention).of_store != theirs.of_store:
            yield (
                f"environments.{name}.retention: must say of artifacts and revisions what that of"
                f" '{other}' does, since both have one store"
            )


def _below(line: str, names: Mapping[str, Any]) -> list[str]:
    return [f"{line}.{name}" for name in names]


def _fields_below(line: str, groups: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"{line}.{group}.{name}" for group, values in groups.items() for name in values]


def _shared(found: Mapping[str, Environment], tables: Mapping[str, Table]) -> Iterator[str]:
    """Tell of stores that are in each other, or shared without anybody saying so."""
    places = {name: _place(environment.store) for name, environment in found.items()}
    for place in dict.fromkeys(places.values()):
        same = [name for name in places if places[name] == place]
        first, *others = [name for name in same if not tables[name].shares_store] or same[:1]
        for other in others:
            yield (
                f"environments.{other}.store: must be its own, but is that of '{first}',"
                f" {found[first].store}: set another, or shares_store = true if that is meant"
            )
        if len(same) == 1 and tables[first].shares_store:
            yield f"environments.{first}.shares_store: must be left out: no other has its store"
        for name in same:
            for other in set(found[name].reads) & set(same) - {name}:
                yield f"environments.{name}.reads: must name other stores; '{other}' has the same"
        for other, within in places.items():
            if within.startswith(f"{place}/"):
                yield (
                    f"environments.{other}.store: must not lie within that of another, but lies"
                    f" within that of '{first}', {found[first].store}"
                )


def _place(store: str) -> str:
    """Return a store's place in one spelling."""
    scheme, is_uri, rest = store.partition("://")
    if is_uri and scheme.lower() != "file":
        return f"{scheme.lower()}://{rest.rstrip('/')}"
    path = unquote(rest) if is_uri else store
    return str(Path(path).expanduser().resolve())
