"""Running a sweep: plan it, try its parameter sets, keep what came of them."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ml_pipeline.cores import cores
from ml_pipeline.errors import MlPipelineError, ParamsError, StoreUnreachable
from ml_pipeline.params.as_of import AsOf, noun_of
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.decider import Decider
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.estimates import usual_seconds
from ml_pipeline.store.record import Objective, Provenance
from ml_pipeline.sweeps.attempts import Attempts, SweepProgress
from ml_pipeline.sweeps.contradictions import without_effect_on
from ml_pipeline.sweeps.objective import objective_of
from ml_pipeline.sweeps.plan import Plan
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.runner import Heard, Runner
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline.sweeps.tasks import Machines, Workers, why_of_a_trial
from ml_pipeline.sweeps.trial import Trial
from ml_pipeline.sweeps.workers import LOCAL, site_of

if TYPE_CHECKING:
    from ml_pipeline.sweeps.study import Earlier, Study

log = logging.getLogger(__name__)


class Sweep:
    """One sweep over parameters and dates."""

    def __init__(
        self,
        request: SweepRequest,
        dates: Sequence[AsOf | None],
        pipeline: Pipeline,
        store: ArtifactStore,
        studies: str,
        provenance: Callable[[], Provenance] = Provenance,
        output: Path | None = None,
        host: Host | None = None,
        machines: Machines = LOCAL,
    ) -> None:
        """Bring a request together with what it is about.

        Args:
            request: what is swept.
            dates: days in order, or one None for a pipeline without dates.
            pipeline: the stages; one of them declares an objective, or the last one judges.
            store: where artifacts are.
            studies: a directory for study files, or the URL of a database.
            provenance: tells what to record about the surroundings.
            output: file for what stages print.
            host: what provides what stages take besides; plain Python if omitted.
            machines: what computes.

        Raises:
            ParamsError: if the trials of a search are not judged by one objective, or an option has
                no effect on so many dates.
            PipelineError: if the machines cannot be reached.
        """
        self.request = request
        self.dates = tuple(dict.fromkeys(dates))
        self.pipeline = pipeline
        self.store = store
        self.studies = studies
        self.provenance = provenance
        self.output = output
        self.stages = pipeline.upstream_of(pipeline.judge.name)
        self.objective = objective_of(pipeline, request)
        if problems := without_effect_on(request.options, self.dates):
            raise ParamsError(problems)
        self.machines = machines
        self.workers = request.options.workers or machines.seats()
        self.host = host or Host()
        self.materializer = Materializer(
            pipeline, store, self.provenance, explain=why_of_a_trial, host=self.host
        )

    def plan(self) -> Plan:
        """Tell what would be done, computing nothing."""
        looking = Decider(self.pipeline, self.store, explain=why_of_a_trial, host=self.host)
        return self._planned(self._runner(looking), self._attempts(), self._earlier(make=False))

    def run(
        self,
        told: Callable[[Plan], None] = lambda _plan: None,
        progress: Callable[[SweepProgress], None] = lambda _progress: None,
        heard: Heard = lambda _trial, _outcome: None,
        notice: Callable[[str], None] = lambda _line: None,
    ) -> Swept:
        """Run the sweep.

        Args:
            told: called once with the plan, before anything is computed.
            progress: called whenever a cell is done.
            heard: called with what trials make and find, as by the `Runner`.
            notice: called with a line where it waits for what may not come, such as a worker.

        Returns:
            What came of it. A failed cell has its error there; it is not raised.

        Raises:
            PipelineError: if stages take what is not there.
        """
        self.host.refuse(self.stages)
        runner, attempts = self._runner(self.materializer, notice), self._attempts()
        earlier = self._earlier(make=True)
        found: list[tuple[Trial, Outcome]] = []
        runner.heard = lambda trial, outcome: found.append((trial, outcome))
        plan = self._planned(runner, attempts, earlier)
        runner.most_workers, runner.heard = plan.workers, heard
        told(plan)
        for trial, outcome in found:
            heard(trial, outcome)
        stopped = None
        try:
            if self.request.is_search:
                from ml_pipeline.sweeps.search import Search

                with Search(self.request, attempts, runner, self._study, self.workers) as search:
                    search.resume(earlier)
                    for _ in search.run():
                        progress(attempts.progress)
                    stopped = search.ended
            else:
                for cell in runner.finished():
                    attempts.take(cell)
                    progress(attempts.progress)
                stopped = "the time limit is reached" if runner.was_cut else None
                self._note(attempts)
        finally:
            runner.close()
        attempts.close()
        tried = sorted(attempts.values(), key=lambda attempt: attempt.trial.number)
        best, name = attempts.best, self.study_name
        return Swept(plan, self.objective, self.dates, tried, stopped, name, best)

    @cached_property
    def study_name(self) -> str:
        """The study's name: as asked for, or made of everything that decides its results."""
        options = self.request.options
        if options.study is not None:
            return options.study
        how = {
            "strategy": self.request.strategy,
            "sampler_seed": options.sampler_seed,
            "pruner": options.pruner,
        }
        return "sweep-" + digest_of({**self.request.document(), **how, **self._basis})

    @cached_property
    def _basis(self) -> Mapping[str, Any]:
        """Everything beside the parameters that decides what comes of a trial."""
        params = next(iter(self.request.representatives))
        return {
            "objective": self.objective.model_dump() if self.objective else None,
            "dates": [str(day) for day in self.dates],
            "code": [stage.code for stage in self.stages],
            "data": [
                self._external(stage, params, day)
                for stage in self.stages
                if stage.reads is not None or stage.files
                for day in self.dates
            ],
            **self._others,
        }

    def _external(self, stage: Stage, params: ParamSet, day: AsOf | None) -> str | None:
        """Return the digest of what a stage reads from outside; what cannot be read has none."""
        try:
            return self.materializer.external(stage, params, day)
        except MlPipelineError:
            return None

    @property
    def _others(self) -> Mapping[str, Any]:
        """The versions of assets that are no stages, where stages read any."""
        read = [stage for stage in self.stages if stage.others]
        versions = [
            {key: other.version for key, other in self.host.others(stage, day).items()}
            for stage in read
            for day in self.dates
        ]
        return {"others": versions} if read else {}

    def _attempts(self) -> Attempts:
        return Attempts(self.objective, self.dates, self.request.options.metric is not None)

    @cached_property
    def _study(self) -> "Study":
        from ml_pipeline.sweeps.study import Study

        objective = cast("Objective", self.objective)
        return Study(self.request, objective, self.study_name, self.studies, self._basis)

    def _has_study(self) -> bool:
        from ml_pipeline.sweeps.study_storage import exists

        return exists(self.study_name, self.studies)

    def _earlier(self, make: bool) -> "Sequence[Earlier]":
        """Return what a search's study knows from before; one of another sweep is refused here."""
        if not self.request.is_search or not (make or self._has_study()):
            return []
        return list(self._study.earlier())

    def _runner(
        self, decider: Decider, notice: Callable[[str], None] = lambda _line: None
    ) -> Runner:
        return Runner(
            decider,
            self.stages,
            self.request.varied_groups,
            lambda most: self._start_workers(most, notice),
            self.request.options.trial_timeout_s,
            time.monotonic() + (self.request.options.timeout_s or math.inf),
        )

    def _start_workers(self, most: int, notice: Callable[[str], None]) -> Workers:
        threads = max(1, cores() // most)
        memory = self.request.options.trial_memory_mb
        around = self.provenance()
        host = self.host.packed(self.stages, self.dates)
        site = site_of(
            self.pipeline, self.store, around, self.output, threads, memory, host, self.dates
        )
        return self.machines.workers(site, most, notice)

    def _planned(self, runner: Runner, attempts: Attempts, earlier: "Sequence[Earlier]") -> Plan:
        """Hand the runner what is known from the start, and count what it will have to compute."""
        request, days = self.request, len(self.dates)
        duplicates = invalid = to_run = reused = 0
        problems: Mapping[str, int] = {}
        if request.is_search:
            asked = max(request.options.n_trials, len(earlier))
            over = [known for known in earlier if known.state in ("complete", "pruned")]
            to_run = (asked - len(over)) * days
            trials = [known.trial for known in earlier if known.state == "complete"]
            for known in earlier:
                attempts.begin(known.trial, known.number).state = known.state
        else:
            combinations = request.combinations
            trials, asked = list(combinations.trials), combinations.asked
            duplicates, invalid = combinations.duplicates, combinations.invalid
            problems = combinations.problems
            for trial in trials:
                attempts.begin(trial)
        for is_new in runner.add_all((trial, day) for trial in trials for day in self.dates):
            to_run += is_new
            reused += not is_new
        attempts.total = to_run + reused
        # Where nothing is to be done, nobody reads records to tell that it takes no time.
        timed = runner.own_stages if to_run else []
        usual = [usual_seconds(self.store, stage.name) for stage in timed]
        seconds = [second for second in usual if second is not None]
        workers = max(1, min(self.workers, to_run))
        return Plan(
            combinations=asked,
            dates=days,
            duplicates=duplicates,
            invalid=invalid,
            problems=problems,
            reused=reused,
            to_run=to_run,
            estimated_s=(
                math.fsum(seconds) * to_run / workers if len(seconds) == len(usual) else None
            ),
            workers=workers,
            strategy=request.strategy,
            noun=noun_of(self.dates),
        )

    def _note(self, attempts: Attempts) -> None:
        """Note a grid's trials in a study, for Optuna's tools; nothing depends on it."""
        if self.objective is None or not self.request.varied_groups:
            return
        if not attempts.has_computed and self._has_study():
            return
        try:
            known = self._study.tried()
            for key, attempt in attempts.items():
                if attempt.value is not None and key not in known:
                    self._study.add(attempt.trial, attempt.value)
        except StoreUnreachable as error:
            log.warning("the trials are not noted in a study: %s", error)
