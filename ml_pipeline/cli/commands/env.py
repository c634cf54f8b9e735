"""`ml-pipeline env`: environments as they are configured, and where each line of one came from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ml_pipeline.cli.environments import checked_environments
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.environments import BASE, Environment, Environments
from ml_pipeline.errors import QueryError, StoreError
from ml_pipeline.settings import set_by
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore

_NONE = "No environments are configured: a table [environments.NAME] in settings.toml makes one."


@click.group(name="env")
def command() -> None:
    """Check, list and show environments: where runs read and write, and what stands there."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(as_json: bool) -> None:
    """Check that environments fit together, each other and the pipeline; tell every problem."""
    known = checked_environments()
    if as_json:
        print_json({"environments": list(known.configured), "default": known.default})
        return
    if not known.configured:
        say(f"{_NONE} Runs can be promoted to {', '.join(known) or 'nothing'}.")
        return
    say(
        f"{', '.join(known.configured)}: all fit together. Runs are in {known.default} unless they"
        f" say otherwise, and may write to {', '.join(known.writable) or 'none'}."
    )
    roots = {name: project().location.store_root(known[name]) for name in known.configured}
    relative = [name for name, root in roots.items() if _place(root) != root and root[0] != "~"]
    if relative:
        say(
            f"The store of {', '.join(relative)} is a relative folder, so another one wherever a"
            f" command is typed: here it is below {Path.cwd()}. A whole path stays the same."
        )


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """List environments."""
    known = checked_environments()
    found = [known[name] for name in known.configured]
    if as_json:
        print_json({"environments": [_document(known, one) for one in found]})
        return
    if not found:
        say(_NONE)
        return
    print_table(
        ["environment", "", "writable", "store", "reads as well"],
        [
            [
                one.name,
                "default" if one.name == known.default else "",
                "yes" if one.name in known.writable else "no",
                _place(project().location.store_root(one)),
                ", ".join(one.reads),
            ]
            for one in found
        ],
    )


@command.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(name: str | None, as_json: bool) -> None:
    """Show what is in effect in an environment, and what each line is set by.

    Without a name, in this deployment's own.
    """
    known = checked_environments()
    if (problem := known.unknown(name)) is not None:
        raise QueryError([f"an environment {problem}"])
    found = known.named(name)
    lines = list(_lines(found))
    has, problem = _promoted_to(found)
    if as_json:
        listed = [{"line": line, "value": value, "from": origin} for line, value, origin in lines]
        promoted = {line: one.model_dump(mode="json") for line, one in has.items()}
        print_json(_document(known, found) | {"lines": listed, "promoted": promoted})
        return
    if not found.name:
        say(f"{_NONE} Until then, every run has this:\n")
    print_table(["line", "value", "from"], lines)
    if problem:
        say(f"\nWhat was promoted to it cannot be told. {problem}")
    elif has:
        say()
        print_table(
            ["promoted", "run id", "as_of", "since"],
            [[line, one.run_id, one.as_of or "", one.at] for line, one in has.items()],
        )
    if found.name:
        say()
        say((known.refusal(found.name) and "It is only read here.") or "It may be written to here.")


def _promoted_to(environment: Environment) -> tuple[dict[str, ledger.Promotion], str]:
    """Return what an environment has by its aliases, or why that cannot be told."""
    root = project().location.store_root(environment)
    try:
        has = ledger.current(ArtifactStore(root, make=False))
    except StoreError as error:
        # A store that nothing has been written to yet is no folder.
        return {}, str(error) if "://" in root or Path(root).exists() else ""
    # Without tables, the one store has what was promoted to any name.
    whose = {environment.name} if environment.name else {one.environment for one in has.values()}
    return {line: one for line, one in has.items() if one.environment in whose}, ""


def _place(root: str) -> str:
    """Return a directory as whoever types a command elsewhere finds it; a URI as it is."""
    return root if ":" in root else str(Path(root).expanduser().absolute())


def _document(known: Environments, environment: Environment) -> dict[str, Any]:
    return {
        "environment": environment.name or None,
        "is_default": environment.name == (known.default or ""),
        "writable": known.refusal(environment.name or None) is None,
        "store": _place(project().location.store_root(environment)),
        "reads": list(environment.reads),
    }


def _lines(environment: Environment) -> Iterator[tuple[str, Any, str]]:
    """Yield the name, the value and the origin of all that is in effect."""
    location = project().location
    for line, own, found in (
        ("store", location.store_root(environment), environment.store),
        ("studies", location.studies(environment), environment.studies),
    ):
        origin = _origin(environment, (line,)) if own == found else "the code location"
        yield line, _place(own), origin
    yield "reads", ", ".join(environment.reads) or "none", _origin(environment, ("reads",))
    if (uri := environment.mlflow_tracking_uri) is not None:
        told = uri or "nobody is told"
        yield "mlflow_tracking_uri", told, _origin(environment, ("mlflow_tracking_uri",))
    for name, asked in environment.gate.items():
        yield f"gate.{name}", asked, _origin(environment, ("gate",))
    for name, place in environment.sources.items():
        yield f"sources.{name}", str(place), _origin(environment, ("sources", name))
    for name, age in environment.retention.items():
        yield f"retention.{name}", age, _origin(environment, ("retention", name))
    for below, groups in (("params", environment.params), ("limits", environment.limits)):
        for group, values in groups.items():
            for name, value in values.items():
                path = below, group, name
                yield ".".join(path), value, _origin(environment, path)


def _origin(environment: Environment, path: tuple[str, ...]) -> str:
    """Say what a line is set by, and through which table it came."""
    owner = environment.given_by.get(".".join(path), BASE)
    if owner == BASE:
        found = set_by(*path)
        is_own = found is None or not environment.name
        return (found or "default") if is_own else f"outside of tables, {found}"
    found = set_by("environments", owner, *path) or "default"
    return found if owner == environment.name else f"inherited from {owner}, {found}"
