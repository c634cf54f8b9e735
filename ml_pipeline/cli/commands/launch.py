"""`ml-pipeline launch`: hands a run to a webserver's queue and follows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import click

from ml_pipeline.cli.mistakes import Asking
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked, Request, request_options, validated
from ml_pipeline.cli.results import document, print_results, print_warnings
from ml_pipeline.cli.run_options import run_options
from ml_pipeline.cli.search import Searched, asked_sweep, search_options
from ml_pipeline.cli.show import print_json, progress_of
from ml_pipeline.cli.tables import say, with_paths
from ml_pipeline.dagster.assets import FAILURES
from ml_pipeline.dagster.checks import in_full, report_in
from ml_pipeline.dagster.launchpad import WEBSERVER
from ml_pipeline.dagster.webserver import Made, Progress, Webserver
from ml_pipeline.errors import ParamsError, RemoteError
from ml_pipeline.invocation import typed
from ml_pipeline.launch.run_request import RequestedRun, requested_run
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.date_result import ArtifactResult, DateResult
from ml_pipeline.runs.range_report import RangeReport

ORIGIN: Final = "launch"
"""Put before the origin of every value: the run came through this door."""

_PRIORITY_TAG: Final = "dagster/priority"
_FOR_THE_UI: Final = frozenset({"leaderboard", "plots", "open"})
_AT_DATES: Final = "at_this_date"
_NO_METRICS: Final = frozenset({"duration_s", "made_at"})


@dataclass(frozen=True)
class Launched:
    """A run in a webserver's queue.

    Attributes:
        server: the webserver.
        run: what was asked for.
        dagster_run_id: Dagster's id of it.
    """

    server: Webserver
    run: RequestedRun
    dagster_run_id: str

    @property
    def address(self) -> str:
        """Where its page is."""
        return self.server.address(self.dagster_run_id)


@click.command(name="launch", cls=Asking)
@request_options
@run_options
@search_options
@click.option(
    "--sweep",
    "is_sweep",
    is_flag=True,
    help="Sweep: parameters may have several values. Any option of `sweep` implies it.",
)
@click.option(
    "--url",
    default=WEBSERVER,
    show_default=True,
    help="Address of the Dagster webserver.",
)
@click.option("--location", metavar="NAME", help="Code location, if several have the assets.")
@click.option(
    "--priority",
    type=int,
    default=0,
    metavar="NUMBER",
    help="Runs with a higher number leave the queue first; give many at once one below 0.",
)
@click.option("--wait/--no-wait", default=True, help="Follow the run to its end, or leave it.")
@with_paths
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    asked: Asked,
    searched: Searched,
    is_sweep: bool,
    selection: Sequence[str],
    url: str,
    location: str | None,
    priority: int,
    wait: bool,
    wide: bool,
    paths: bool,
    as_json: bool,
) -> int:
    """Hand a run or a sweep to the queue of a running webserver, and follow it."""

    def launch(run: RequestedRun) -> Launched:
        server = Webserver(url)
        tagged = replace(run, tags={**run.tags, _PRIORITY_TAG: str(priority)}) if priority else run
        return Launched(server, tagged, server.launch(tagged, location))

    if is_sweep or searched.is_given:
        if selection:
            raise ParamsError(["--select does not go with a sweep: it makes what it needs"])
        launched = launch(asked_sweep(asked, searched, f"{ORIGIN}: ")[0])
        told = (lambda ended: _sweep_document(launched, ended)) if as_json else None
        return hand_over(launched, wait, told, lambda ended: _print_sweep(launched, ended))
    request = _through_launch(validated(project(), asked, selection, in_one_run=True))
    launched = launch(
        requested_run(project().pipeline, request.params, request.dates, selection or None)
    )
    if as_json:
        return hand_over(launched, wait, lambda ended: _document(launched, request, ended))
    request.print_origins()
    return hand_over(launched, wait, show=lambda ended: _print(launched, ended, wide, paths))


def hand_over(
    launched: Launched,
    wait: bool,
    document: Callable[[Progress], Mapping[str, Any]] | None = None,
    show: Callable[[Progress], None] = lambda _ended: None,
) -> int:
    """Tell of a run in the queue, follow it if that is wanted, and return the exit code.

    Args:
        launched: the run.
        wait: whether to follow it.
        document: returns what to print as JSON instead of everything else.
        show: prints what came of the run, for people.
    """
    ended = Progress()
    try:
        if document is None:
            say(launched.address)
        if wait:
            ended = _followed(launched)
    except KeyboardInterrupt:
        say(f"Left alone; the run goes on: {launched.address}", err=True)
        return 130
    except RemoteError as error:
        say(f"Error: {error}\nThe run may go on: {launched.address}", err=True)
        return 1
    if document is not None:
        print_json(document(ended))
    else:
        show(ended)
    if not ended.has_failed:
        return 0
    for line in RangeReport(_results(launched, ended)).reasons:
        say(line, err=True)
    say(f"The whole story: {launched.address}", err=True)
    return 1


def _through_launch(request: Request) -> Request:
    origins = {name: f"{ORIGIN}: {origin}" for name, origin in request.params.origins.items()}
    return replace(request, params=replace(request.params, origins=origins))


def _followed(launched: Launched) -> Progress:
    run = launched.run
    total, warned = len(run.dates) * len(run.assets), set[str]()
    with progress_of("queued", total) as bar:

        def progressed(progress: Progress) -> None:
            for line in progress.warnings:
                if line not in warned:
                    bar.say(line)
                    warned.add(line)
            if progress.made:
                last = progress.made[-1]
                bar.show(len(progress.made), total, f"{last.partition} {last.asset}")

        return launched.server.follow(launched.dagster_run_id, progressed)


def _failures(launched: Launched, ended: Progress) -> dict[AsOf | None, str]:
    """Return the reason of every date that failed; where a run failed as a whole, all share one."""
    if not ended.has_failed:
        return {}
    if told := ended.failures.get(FAILURES):
        return {day: told[str(day)] for day in launched.run.dates if str(day) in told}
    if ended.status == "CANCELED":
        reason = "the run was canceled"
    else:
        reason = ended.errors[-1] if ended.errors else "the run failed; its page says why"
    return {
        day: reason
        for day in launched.run.dates
        if len(_made_at(ended, day)) < len(launched.run.assets)
    }


def _made_at(progress: Progress, day: AsOf | None) -> list[Made]:
    return [made for made in progress.made if made.partition == (None if day is None else str(day))]


def _checks_at(progress: Progress, day: AsOf | None) -> list[CheckReport]:
    pipeline = project().pipeline
    at = None if day is None else str(day)
    told = [one for one in progress.checked if one.evaluation.partition == at]
    reports = [report_in(pipeline, in_full(one.evaluation, one.at)) for one in told]
    return [report for report in reports if report is not None]


def _metrics(made: Made) -> dict[str, float]:
    return {
        name: value
        for name, value in made.metadata.items()
        if isinstance(value, float) and name not in _NO_METRICS and "." not in name
    }


def _document(launched: Launched, request: Request, ended: Progress) -> dict[str, Any]:
    return {
        "url": launched.address,
        "status": ended.status,
        **document(_results(launched, ended), request.params),
    }


def _results(launched: Launched, ended: Progress) -> list[DateResult]:
    failures = _failures(launched, ended)
    return [
        DateResult(
            day,
            launched.run.run_ids.get(day, ""),
            launched.dagster_run_id,
            [
                ArtifactResult(
                    made.asset,
                    made.metadata.get("run_id"),
                    made.metadata.get("revision"),
                    str(made.metadata.get("path", "")),
                    made.metadata.get("reused"),
                    _metrics(made),
                    reused_from=made.metadata.get("reused_from"),
                )
                for made in _made_at(ended, day)
            ],
            failures.get(day),
            _checks_at(ended, day),
        )
        for day in launched.run.dates
    ]


def _sweep_document(launched: Launched, ended: Progress) -> dict[str, Any]:
    told = ended.made[-1].metadata if ended.made else {}
    return {
        "url": launched.address,
        "status": ended.status,
        "dagster_run_id": launched.dagster_run_id,
        "dates": [None if day is None else str(day) for day in launched.run.dates],
        **{name: told[name] for name in told if name not in _FOR_THE_UI},
    }


def _print_sweep(launched: Launched, ended: Progress) -> None:
    if ended.made:
        told = _sweep_document(launched, ended)
        for name in (name for name in told if name not in ("url", "status", "dates", _AT_DATES)):
            say(f"{name}: {told[name]}")
        first, last = launched.run.dates[0], launched.run.dates[-1]
        say(f"`{typed(f'leaderboard --from {first} --to {last}')}` ranks the results.")


def _print(launched: Launched, ended: Progress, wide: bool, paths: bool) -> None:
    if ended.made:
        say()
    results = _results(launched, ended)
    print_results(results, wide, paths)
    print_warnings(results)
