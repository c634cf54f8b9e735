"""`ml-pipeline runs`: list, show and compare what has been published."""

from collections.abc import Mapping
from typing import Any

import click

from ml_pipeline.cli.environments import (
    environment_document,
    environment_option,
    found_in,
    store_of,
    tell_environment,
)
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say, wide_option
from ml_pipeline.index.promotions import history
from ml_pipeline.invocation import typed
from ml_pipeline.params.history import present, told, told_names
from ml_pipeline.params.model import nested
from ml_pipeline.runs import catalog, query
from ml_pipeline.runs.listing import listed
from ml_pipeline.runs.served import MARK
from ml_pipeline.store.artifacts import ArtifactStore


@click.group(name="runs")
def command() -> None:
    """List, show and compare runs."""


@command.command(name="list")
@click.option("--where", metavar="CONDITIONS", help='Like "NAME<0.1 and OTHER=text".')
@click.option("--sort", metavar="NAME", help="Parameter or metric; -NAME for descending.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@environment_option
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(
    where: str | None,
    sort: str | None,
    limit: int,
    environment: str | None,
    wide: bool,
    as_json: bool,
) -> None:
    """List runs, the newest first: the parameters that vary among those, and their metrics.

    What runs are judged by comes first.
    """
    store = store_of(project(), environment)
    pipeline = project().listed
    assets = pipeline.kept_names(catalog.last_stages(pipeline))
    found = listed(store, pipeline, assets, where, sort, limit)
    if found.missed:
        say(f"{len(found.missed)} cannot be read: `{typed('verify')}` says why.", err=True)
    if as_json:
        runs = [_document(entry) for entry in catalog.whole(store, found.entries)]
        print_json(environment_document(store) | {"runs": runs})
        return
    tell_environment(store)
    if not found.entries:
        made = typed("run" if project().runs_pipeline else "ui")
        none = f"No run yet in {store.uri}: `{made}` makes the first."
        say("No run fulfils that." if found.is_any else none)
        return
    model = pipeline.params
    rows = [entry.row(model) for entry in found.entries]
    params = [
        name
        for name in query.params(found.entries, model)
        if len({str(row.get(name)) for row in rows}) > 1
    ]
    records = [entry.record for entry in found.entries]
    metrics = [name for record in records for name in record.metrics]
    judged = [record.objective.metric for record in records if record.objective]
    first = [name for name in dict.fromkeys(judged) if name in set(metrics)]
    others = [name for name in dict.fromkeys(metrics) if name not in first]
    elsewhere = any(row["environment"] != store.environment for row in rows)
    where_made = ["environment"] if elsewhere and store.environment is not None else []
    columns = ["run_id", "as_of", *first, *params, *where_made, "made_at", *others]
    print_table(columns, [[row.get(name, "") for name in columns] for row in rows], wide)
    if found.more and found.is_counted:
        say(f"{found.more} more: --limit {limit + found.more} shows all.")
    elif found.more:
        say(f"At least {found.more} more: --where chooses, --limit shows more.")


@command.command()
@click.argument("run_id")
@environment_option
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(run_id: str, environment: str | None, wide: bool, as_json: bool) -> None:
    """Show one run; the beginning of its id is enough."""
    store, entry = found_in(project(), run_id, environment)
    known = catalog.lineage_by_asset(store, entry)
    if as_json:
        upstream = {name: _document(made) if made else None for name, made in known.items()}
        others = [one.record.revision for one in catalog.revisions(store, entry)]
        print_json(_document(entry) | {"lineage": upstream, "revisions": others})
        return
    record = entry.record
    model = project().listed.params
    values = present(model, record.params)
    origins = present(model, nested(record.origins))
    around = record.provenance
    dirty = " with uncommitted changes" if around.git_dirty else ""
    print_table(
        ["", ""],
        [
            ["run id", record.run_id],
            ["asset", record.asset],
            ["as_of", record.as_of],
            ["revision", record.revision],
            ["all revisions", _revisions(store, entry)],
            ["made at", f"{record.started_at:%Y-%m-%d %H:%M:%S} UTC in {record.duration_s:.2f} s"],
            *([["environment", around.environment]] if around.environment else []),
            ["Dagster run", around.dagster_run_id or "-"],
            ["commit", f"{around.git_commit}{dirty}" if around.git_commit else "-"],
            ["python", around.python],
            [
                "packages",
                ", ".join(f"{name} {version}" for name, version in around.packages.items()),
            ],
            ["path", store.address(entry.path)],
            ["promoted to", _promoted_to(store, entry)],
        ],
    )
    say()
    print_table(
        ["parameter", "value", "from"],
        [
            [told_names(model, values)[dotted], value, origins.get(dotted, "default")]
            for dotted, value in values.items()
        ],
    )
    if record.metrics:
        say()
        print_table(["metric", "value"], list(record.metrics.items()))
    say()
    print_table(
        ["made from", "run id", "revision", "bytes", "digest"],
        [
            [
                name,
                made.record.run_id,
                made.record.revision,
                made.record.content.bytes,
                made.record.content.digest,
            ]
            if made
            else [name, "gone", "", "", ""]
            for name, made in known.items()
        ],
        wide,
        needed=3,
    )
    read = _others(known)
    promoted = {name: version for name, version in read.items() if name.startswith(MARK)}
    assets = {name: version for name, version in read.items() if name not in promoted}
    for what, some in (("scored by", promoted), ("assets that are no stages", assets)):
        if some:
            say()
            print_table([what, "version"], list(some.items()))


def _others(known: Mapping[str, catalog.Entry | None]) -> dict[str, str]:
    """Return the versions of the assets that artifacts read and that are no stages."""
    return {
        key if other.partition is None else f"{key} of {other.partition}": other.version
        for made in known.values()
        if made is not None
        for key, other in made.record.others.items()
    }


def _revisions(store: ArtifactStore, entry: catalog.Entry) -> str:
    return ", ".join(
        f"{one.record.revision} ({one.record.started_at:%Y-%m-%d %H:%M})"
        for one in catalog.revisions(store, entry)
    )


def _promoted_to(store: ArtifactStore, entry: catalog.Entry) -> str:
    has, had = {}, set()
    for promotion in history(store):
        has[promotion.line] = promotion.path
        if promotion.path == entry.path:
            had.add(promotion.line)
    told = [name if has[name] == entry.path else f"{name} (earlier)" for name in sorted(had)]
    return ", ".join(told) or "-"


@command.command()
@click.argument("run_a")
@click.argument("run_b")
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diff(run_a: str, run_b: str, environment: str | None, as_json: bool) -> None:
    """Compare two runs: parameters, metrics, code, inputs and packages."""
    found = [found_in(project(), run, environment) for run in (run_a, run_b)]
    sides = [entry for _, entry in found]
    compared = {
        part: {
            name: [views[0].get(name), views[1].get(name)]
            for name in dict.fromkeys([*views[0], *views[1]])
            if views[0].get(name) != views[1].get(name)
        }
        for part, views in _views(found).items()
    }
    if as_json:
        print_json({"runs": [side.record.run_id for side in sides], "differences": compared})
        return
    rows = [
        [part, name, *("-" if value is None else value for value in pair)]
        for part, names in compared.items()
        for name, pair in names.items()
    ]
    if rows:
        print_table(["", "", *(side.record.run_id for side in sides)], rows)
    else:
        say("The two do not differ in parameters, metrics, code, inputs or packages.")


def _views(
    sides: list[tuple[ArtifactStore, catalog.Entry]],
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return what is compared: for each part, its names and values on either side."""
    called = project().listed.present_name

    def view(store: ArtifactStore, side: catalog.Entry) -> dict[str, dict[str, Any]]:
        record = side.record
        known = {name: made for name, made in catalog.lineage_by_asset(store, side).items() if made}
        return {
            "parameter": {"as_of": str(record.as_of)}
            | told(project().listed.params, record.params),
            "metric": dict(record.metrics),
            "code": {called(name): made.record.code for name, made in known.items()},
            "input": {
                called(name): made.record.content.digest
                for name, made in known.items()
                if name != record.asset
            }
            | {
                f"source of {called(name)}": made.record.external
                for name, made in known.items()
                if made.record.external
            }
            | _others(known),
            "package": {"python": record.provenance.python, **record.provenance.packages},
        }

    first, second = (view(*side) for side in sides)
    return {part: (first[part], second[part]) for part in first}


def _document(entry: catalog.Entry) -> dict[str, Any]:
    return entry.record.model_dump(mode="json", exclude={"picture"}) | {"path": entry.path}
