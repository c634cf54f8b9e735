"""The Optuna study of a sweep: what was tried, what came of it, what to try next.

A study is kept in a file, or in a database, so that a sweep goes on where it was stopped, can be
made longer, and opens in Optuna's dashboard. Every proposal is seeded by its number, so a sweep
that was interrupted proposes what it would have proposed, and a study that was lost is made again
from the store: the same proposals, all of them published.
"""

import json
import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import MlPipelineError, ParamsError, StoreUnreachable
from ml_pipeline.identity import digest_of
from ml_pipeline.owner import is_gone, token
from ml_pipeline.record import Objective
from ml_pipeline.sweeps.request import SweepRequest, Trial
from ml_pipeline.sweeps.space import Interval

if TYPE_CHECKING:
    import optuna

_KEY: Final = "key"
_WHY: Final = "why"
_OWNER: Final = "owner"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Earlier:
    """A trial that the study knows from before.

    Attributes:
        trial: its parameters.
        state: ``complete``, ``pruned``, ``failed`` or ``running``.
        number: its number in the study.
    """

    trial: Trial
    state: str
    number: int


class Study:
    """One study, opened or made."""

    def __init__(
        self, request: SweepRequest, objective: Objective, name: str, storage: str
    ) -> None:
        """Open a study; what is not there is made.

        Args:
            request: what is swept.
            objective: what trials are judged by.
            name: the study's name.
            storage: a directory for study files, or the URL of a database.

        Raises:
            ParamsError: if the study there is of other parameters.
            StoreUnreachable: if the storage cannot be read or written.
        """
        self.request = request
        self.name = name
        self.direction = objective.direction
        self.file = None if "://" in storage else Path(storage) / f"{name}.log"
        self._distributions = _distributions(request)
        self._study = self._open(storage, objective)

    def earlier(self) -> Iterator[Earlier]:
        """Yield the trials that an earlier sweep left, each parameter set once."""
        seen = set()
        states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        # What succeeded in the end counts, whatever came before.
        found = sorted(
            self._study.get_trials(deepcopy=False),
            key=lambda t: (t.state.name != "COMPLETE", t.number),
        )
        for frozen in found:
            if frozen.user_attrs.get(_WHY) in ("duplicate", "invalid"):
                continue
            if frozen.state.name == "RUNNING" and not is_gone(frozen.user_attrs.get(_OWNER, "")):
                continue
            try:
                trial = self.request.trial(_raw(frozen.params), frozen.number)
            except ParamsError:
                continue
            if trial.key not in seen:
                seen.add(trial.key)
                state = states.get(frozen.state.name, "running")
                yield Earlier(trial, state, frozen.number)

    def ask(self) -> tuple["optuna.Trial", Mapping[str, Any]]:
        """Propose a parameter set; return a handle and raw values by dotted name."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = _sampler(self.request, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handle = self._study.ask(self._distributions)
        handle.set_user_attr(_OWNER, token())
        return handle, _raw(handle.params)

    def tell(self, number: int, key: str, value: float | None, why: str | None = None) -> None:
        """Note what came of a proposal.

        Args:
            number: its number in the study.
            key: identity of its parameter set.
            value: the objective, or None where there is none.
            why: ``pruned``, ``failed``, ``duplicate`` or ``invalid``, if it is one.
        """
        from optuna.trial import Trial, TrialState

        frozen = self._study.get_trials(deepcopy=False)[number]
        if frozen.state.is_finished():
            return
        handle = Trial(self._study, frozen._trial_id)
        handle.set_user_attr(_KEY, key)
        if why is not None:
            handle.set_user_attr(_WHY, why)
        if why == "pruned":
            self._study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
        elif value is None:
            self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self._study.tell(number, value, skip_if_finished=True)

    def is_over(self, number: int) -> bool:
        """Whether a proposal has been answered."""
        return self._study.get_trials(deepcopy=False)[number].state.is_finished()

    def add(self, trial: Trial, value: float) -> None:
        """Note a finished trial that the study did not propose."""
        import optuna

        self._study.add_trial(
            optuna.trial.create_trial(
                params=_choices(trial.varied),
                distributions=self._distributions,
                value=value,
                user_attrs={_KEY: trial.key},
            )
        )

    def _open(self, storage: str, objective: Objective) -> "optuna.Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        options = self.request.options
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return optuna.create_study(
                    study_name=self.name,
                    storage=self._storage(storage),
                    direction=objective.direction,
                    pruner=_pruner(options.pruner),
                    load_if_exists=True,
                )
        except OSError as error:
            raise StoreUnreachable(
                f"The studies must be readable and writable in {storage}, but are not: {error}."
                " ML_PIPELINE_STUDIES names another place."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            if self.file is None:
                raise MlPipelineError(
                    f"Study {self.name} must be readable in {storage}, but is not:"
                    f" {type(error).__name__}: {error}. Choose another name for the study."
                ) from error
            aside = self.file.with_suffix(f".damaged-{time.time_ns()}")
            self.file.rename(aside)
            log.warning(
                "study %s cannot be read (%s) and was put aside as %s; it is made again, and what"
                " is published is reused",
                self.name,
                error,
                aside.name,
            )
            return self._open(storage, objective)

    def _storage(self, storage: str) -> Any:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        if self.file is None:
            return storage
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self.file)))


def _distributions(request: SweepRequest) -> dict[str, Any]:
    from optuna import distributions as optuna

    found: dict[str, Any] = {}
    if not request.is_search:
        tried: dict[str, dict[Any, None]] = {}
        for trial in request.combinations.trials:
            for name, value in _choices(trial.varied).items():
                tried.setdefault(name, {})[value] = None
        for name, values in tried.items():
            numbers = [v for v in values if isinstance(v, int | float) and type(v) is not bool]
            if len(numbers) < len(values) or len(set(map(float, numbers))) == 1:
                found[name] = optuna.CategoricalDistribution(list(values))
            elif all(isinstance(number, int) for number in numbers):
                found[name] = optuna.IntDistribution(int(min(numbers)), int(max(numbers)))
            else:
                found[name] = optuna.FloatDistribution(min(numbers), max(numbers))
        return found
    for name, space in request.dimensions.items():
        if not isinstance(space, Interval):
            choices = [_choice(value) for value in request.plain_values(name)]
            found[name] = optuna.CategoricalDistribution(choices)
        elif space.whole:
            step = int(space.step or 1)
            found[name] = optuna.IntDistribution(int(space.low), int(space.high), space.log, step)
        else:
            found[name] = optuna.FloatDistribution(space.low, space.high, space.log, space.step)
    return found


def _choices(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _choice(value) for name, value in values.items()}


def _choice(value: Any) -> Any:
    """Write a list or a mapping as JSON: Optuna's choices are plain."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _raw(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if isinstance(value, str) and value[:1] in "[{" and value else value
        for name, value in params.items()
    }


def _sampler(request: SweepRequest, number: int) -> Any:
    """Return a sampler for one proposal, so that it depends on its number and not on restarts."""
    import optuna

    strategy, seed = request.strategy, request.options.sampler_seed
    # A quasi-random sequence keeps its place in the study itself.
    if strategy != "qmc":
        seed = int(digest_of([seed, number]), 16) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if strategy == "tpe":
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        makers = {
            "random": optuna.samplers.RandomSampler,
            "qmc": optuna.samplers.QMCSampler,
            "cmaes": optuna.samplers.CmaEsSampler,
            "gp": optuna.samplers.GPSampler,
            "nsga2": optuna.samplers.NSGAIISampler,
        }
        return makers[strategy](seed=seed)


def _pruner(name: str) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        if name == "successive_halving":
            return optuna.pruners.SuccessiveHalvingPruner()
        if name == "hyperband":
            return optuna.pruners.HyperbandPruner()
        return optuna.pruners.NopPruner()
