"""`ml-pipeline sweep`: one pipeline over many parameter sets and dates, in process."""

import contextlib
import uuid
from pathlib import Path

import click

from ml_pipeline.cli.board import Output, output_options, show_board
from ml_pipeline.cli.environments import store_of
from ml_pipeline.cli.in_process import deciding, in_process
from ml_pipeline.cli.mistakes import Asking
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked, request_options
from ml_pipeline.cli.run_options import force_option
from ml_pipeline.cli.search import Searched, asked_sweep, search_options
from ml_pipeline.cli.show import Bar, print_json, progress_of
from ml_pipeline.cli.tables import say
from ml_pipeline.dagster.execution import Stopped, reason_of, was_interrupted
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.runs.range_report import listed
from ml_pipeline.sweeps.attempts import SweepProgress
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.plan import Plan
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline.sweeps.workers import LOCAL, configured_machines, warm_up


class _Follower:
    """Shows a sweep of this process while it runs, and keeps what came of it."""

    def __init__(self, output: Path, bar: Bar) -> None:
        self.output = output
        self.came_to: tuple[Swept, Leaderboard] | None = None
        self.progress: SweepProgress | None = None
        self._bar = bar

    def planned(self, plan: Plan) -> None:
        self._bar.say(f"{plan.sentence}.")

    def progressed(self, progress: SweepProgress) -> None:
        self.progress = progress
        self._bar.show(progress.done, progress.total, progress.sentence)

    def noticed(self, line: str) -> None:
        self._bar.say(line)

    def finished(self, swept: Swept, board: Leaderboard) -> None:
        self.came_to = swept, board


@click.command(name="sweep", cls=Asking)
@request_options
@force_option
@search_options
@click.option("--plan", "only_plan", is_flag=True, help="Tell what would be run; run nothing.")
@output_options
def command(asked: Asked, searched: Searched, only_plan: bool, output: Output) -> int:
    """Try many parameter sets over a range of dates and rank them.

    A parameter may have several values (0.01,0.1 range(2,7) linspace(0,1,5) log(1e-3,1,4)
    choice(a,b)) or, to be searched, an interval ([2..8] log[1e-3..1]). What is published already is
    reused, and the same command goes on where it was stopped.
    """
    run, request = asked_sweep(asked, searched)
    if only_plan:
        return _plan(run, request, output.as_json)
    return _run(run, request.environment, output)


def _plan(run: RequestedRun, request: SweepRequest, as_json: bool) -> int:
    served = project()
    store = served.location.store_in(request.environment)
    studies = served.location.studies_in(request.environment)
    with deciding(served) as host:
        sweep = Sweep(
            request,
            run.dates,
            served.pipeline,
            store,
            studies,
            host=host,
            machines=configured_machines(),
        )
        plan = sweep.plan()
    if as_json:
        print_json(plan.document)
    else:
        say(f"{plan.sentence}.")
    return 0


def _run(run: RequestedRun, environment: str | None, output: Output) -> int:
    from ml_pipeline.dagster.sweep_asset import listening

    if configured_machines() is LOCAL:
        warm_up(project().pipeline)
    dagster_run_id = str(uuid.uuid4())
    result = None
    job = project().definitions.resolve_implicit_global_asset_job_def()
    with in_process(project(), job, environment) as here, progress_of("planning") as bar:
        follower = _Follower(here.log_of(dagster_run_id), bar)
        with listening(follower), contextlib.suppress(Stopped):
            result = here.execute(run, dagster_run_id)
    if result is None or was_interrupted(result):
        done = follower.progress.done if follower.progress is not None else 0
        say(
            f"Stopped. {done} results are done and stay; the same command goes on from there.",
            err=True,
        )
        return 130
    if follower.came_to is None:
        say(f"The sweep failed: {reason_of(result)}", err=True)
        say(f"The whole story: {here.log_of(dagster_run_id)}", err=True)
        return 1
    swept, board = follower.came_to
    told = {"dagster_run_id": dagster_run_id, **swept.document}
    show_board(board, store_of(project(), environment), output, "Nothing was tried.", told)
    for reason, cells in swept.failures_by_reason.items():
        failed = listed([f"trial {cell.trial.number} at {cell.as_of}" for cell in cells])
        say(f"{failed} failed: {reason}", err=True)
    if swept.stopped is not None:
        say(f"Stopped: {swept.stopped}. The same command goes on from there.", err=True)
    return 1 if swept.failures else 0
