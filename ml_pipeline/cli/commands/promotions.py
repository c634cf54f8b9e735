"""`ml-pipeline promotions`: what environments have, and had."""

import click

from ml_pipeline.cli.environments import known_environment, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say, wide_option
from ml_pipeline.environments import Environments
from ml_pipeline.errors import StoreError
from ml_pipeline.index.promotions import history
from ml_pipeline.invocation import typed
from ml_pipeline.store import ledger


@click.command(name="promotions")
@click.argument("environment", required=False)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(environment: str | None, wide: bool, as_json: bool) -> None:
    """List what was promoted to one environment or to all, the newest first."""
    known = project().settings.environments
    entries = _entries(known, environment)
    now = ledger.last_of(entries)
    if environment is not None:
        known_environment(environment, {*known, *now, *(one.environment for one in entries)})
    found = [one for one in entries if environment in (None, one.environment, one.line)]
    found.sort(key=lambda one: (one.at, one.number), reverse=True)
    if as_json:
        told = [one.model_dump(mode="json") | {"is_now": one in now.values()} for one in found]
        print_json({"promotions": told})
        return
    if not found:
        say(f"Nothing was promoted yet: `{typed('promote RUN_ID --to staging')}` does that.")
        return
    names = dict.fromkeys(name for one in found for name in one.metrics)
    # What gates have asked for stands first.
    asked = (figure["metric"] for one in found if one.gate for figure in one.gate["figures"])
    metrics = list(dict.fromkeys([*(name for name in asked if name in names), *names]))
    columns = ["environment", "", "run id", "as_of", *metrics[:1], "gate", "promoted at", "from"]
    columns += ["by", "note", *metrics[1:]]
    rows = (
        {
            **one.metrics,
            "environment": one.line,
            "": "now" if one in now.values() else "",
            "run id": one.run_id,
            "as_of": one.as_of,
            "gate": _gate(one),
            "promoted at": one.at,
            "from": _origin(one),
            "by": one.by,
            "note": one.note,
        }
        for one in found
    )
    print_table(columns, [[row.get(name) for name in columns] for row in rows], wide, 3)


def _entries(known: Environments, wanted: str | None) -> list[ledger.Promotion]:
    """Return the entries of the ledgers that are asked for."""
    owner = ledger.parts_of(wanted)[0] if wanted is not None else None
    if owner in known.configured or not known.configured:
        return history(store_of(project(), owner if owner in known.configured else None))
    # Each has its ledger in its own store, where that is configured.
    found: dict[tuple[str, int], ledger.Promotion] = {}
    for name in known.configured:
        try:
            entries = history(store_of(project(), name))
        except StoreError as error:
            say(f"What '{name}' has cannot be read. {error}", err=True)
            continue
        found |= {(one.line, one.number): one for one in entries if one.environment == name}
    return list(found.values())


def _origin(one: ledger.Promotion) -> str:
    return f"back to {one.restores}" if one.restores is not None else one.source or ""


def _gate(one: ledger.Promotion) -> str:
    if one.forced:
        return "forced"
    return "passed" if one.gate is not None else ""
