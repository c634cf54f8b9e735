"""The Optuna study of a sweep: what was tried, what came of it, what to try next.

A study is kept in a file, or in a database, so that a sweep goes on where it was stopped, can be
made longer, and opens in Optuna's dashboard. Every proposal is seeded by its number, so a sweep
that was interrupted proposes what it would have proposed, and a study that was lost is made again
from the store: the same proposals, all of them published. (A process that is killed in the very
moment of proposing leaves half a proposal, which nobody takes up; what follows may differ then.)
"""

import contextlib
import json
import logging
import os
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.addresses import masked, refusal
from ml_pipeline.errors import ParamsError, StoreUnreachable
from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.owner import is_gone, token
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.request import SweepRequest, Trial
from ml_pipeline.sweeps.space import Interval

if TYPE_CHECKING:
    import optuna
    from optuna.storages.journal import JournalFileOpenLock

_KEY: Final = "key"
_WHY: Final = "why"
_OWNER: Final = "owner"
_NOBODY: Final = "nobody"
_BASIS: Final = "basis"

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


def exists(name: str, storage: str) -> bool:
    """Whether there is a study of that name.

    Args:
        name: the study's name.
        storage: a directory for study files, or the URL of a database.

    Raises:
        StoreUnreachable: if the storage cannot be read.
    """
    file = _file_of(name, storage)
    if file is not None:
        return file.exists()
    import optuna

    with _reaching(storage):
        return name in optuna.get_all_study_names(storage)


class Study:
    """One study, opened or made."""

    def __init__(
        self,
        request: SweepRequest,
        objective: Objective,
        name: str,
        storage: str,
        basis: Mapping[str, Any],
    ) -> None:
        """Open a study; what is not there is made.

        Args:
            request: what is swept.
            objective: what trials are judged by.
            name: the study's name.
            storage: a directory for study files, or the URL of a database.
            basis: what decides, beside the parameters, what comes of a trial.

        Raises:
            ParamsError: if the study there is of a sweep whose trials cannot be compared with those
                of this one.
            StoreUnreachable: if the storage cannot be read or written.
        """
        self.request = request
        self.name = name
        self.file = _file_of(name, storage)
        self._encoded = _encoded(request)
        self._distributions = _distributions(request, self._encoded)
        with _reaching(storage):
            self._study = self._opened(storage, objective)
            self._refuse_another({"parameters": request.frame(), **basis})

    def earlier(self) -> Iterator[Earlier]:
        """Yield the trials that an earlier sweep left, each parameter set once."""
        seen = set()
        states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        # What succeeded in the end counts, whatever came before.
        found = sorted(self._tried(), key=lambda t: (t.state.name != "COMPLETE", t.number))
        for frozen in found:
            state = states.get(frozen.state.name, "running")
            if state == "running" and not _is_left(frozen):
                continue
            try:
                trial = self.request.trial(self._raw(frozen.params), frozen.number)
            except ParamsError:
                continue
            if trial.key not in seen:
                seen.add(trial.key)
                yield Earlier(trial, state, frozen.number)

    def tried(self) -> set[str]:
        """Return the identities of all parameter sets that any sweep on this study has begun."""
        return {frozen.user_attrs[_KEY] for frozen in self._tried() if _KEY in frozen.user_attrs}

    def ask(self) -> tuple[int, Mapping[str, Any]]:
        """Propose a parameter set; return its number and raw values by dotted name."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = _sampler(self.request, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handle = self._study.ask(self._distributions)
        return handle.number, self._raw(handle.params)

    def begin(self, number: int, key: str) -> "optuna.Trial | None":
        """Note that a proposal is being tried by this process.

        Args:
            number: its number in the study.
            key: identity of its parameter set.

        Returns:
            A handle to report to, unless the proposal was answered in an earlier sweep.
        """
        handle = self._handle(number)
        if handle is not None:
            handle.set_user_attr(_OWNER, token())
            handle.set_user_attr(_KEY, key)
        return handle

    def leave(self, number: int) -> None:
        """Note that nobody is trying a proposal any more, though nothing came of it."""
        handle = self._handle(number)
        if handle is not None:
            handle.set_user_attr(_OWNER, _NOBODY)

    def tell(self, number: int, value: float | None, why: str | None = None) -> None:
        """Note what came of a proposal.

        Args:
            number: its number in the study.
            value: the objective, or None where there is none.
            why: ``pruned``, ``failed``, ``duplicate`` or ``invalid``, if it is one.
        """
        from optuna.trial import TrialState

        handle = self._handle(number)
        if handle is None:
            return
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
        return self._handle(number) is None

    def add(self, trial: Trial, value: float) -> None:
        """Note a finished trial that the study did not propose."""
        import optuna

        self._study.add_trial(
            optuna.trial.create_trial(
                params={name: self._choice(name, trial.varied[name]) for name in trial.varied},
                distributions={name: self._distributions[name] for name in trial.varied},
                value=value,
                user_attrs={_KEY: trial.key},
            )
        )

    def _tried(self) -> "list[optuna.trial.FrozenTrial]":
        """Return the trials that were more than a proposal."""
        return [
            frozen
            for frozen in self._study.get_trials(deepcopy=False)
            if frozen.user_attrs.get(_WHY) not in ("duplicate", "invalid")
        ]

    def _handle(self, number: int) -> "optuna.Trial | None":
        """Return what to write to about a proposal, or None where it has been answered."""
        from optuna.trial import Trial

        frozen = self._study.get_trials(deepcopy=False)[number]
        return None if frozen.state.is_finished() else Trial(self._study, frozen._trial_id)

    def _choice(self, name: str, value: Any) -> Any:
        return json.dumps(value) if name in self._encoded else value

    def _raw(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: json.loads(value) if name in self._encoded else value
            for name, value in params.items()
        }

    def _opened(self, storage: str, objective: Objective) -> "optuna.Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def opened() -> optuna.Study:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return optuna.create_study(
                    study_name=self.name,
                    storage=storage if self.file is None else _journal(self.file),
                    direction=objective.direction,
                    pruner=_pruner(self.request.options.pruner),
                    load_if_exists=True,
                )

        if self.file is None:
            return opened()
        try:
            return opened()
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            aside = self.file.with_suffix(f".damaged-{time.time_ns()}")
            self.file.rename(aside)
            log.warning(
                "study %s cannot be read (%s: %s) and was put aside as %s; it is made again, and"
                " what is published is reused",
                self.name,
                type(error).__name__,
                error,
                aside.name,
            )
        return opened()

    def _refuse_another(self, basis: Mapping[str, Any]) -> None:
        """Refuse a study of other trials; a new one gets to know what it is of."""
        from optuna.distributions import check_distribution_compatibility

        ours = {part: digest_of(content) for part, content in basis.items()}
        trials = self._study.get_trials(deepcopy=False)
        theirs = self._study.user_attrs.get(_BASIS, {} if trials else ours)
        differing = [part for part, digest in ours.items() if theirs.get(part) != digest]
        try:
            for frozen in trials:
                for name, distribution in frozen.distributions.items():
                    check_distribution_compatibility(distribution, self._distributions[name])
        except (ValueError, KeyError):
            differing = ["parameters"]
        if differing:
            problem = (
                f"search.study must name a study of the same {' and '.join(differing)}, since its"
                f" trials are compared with each other, but {self.name} is of other ones: choose"
                " another name, or leave it out"
            )
            raise ParamsError([problem])
        if _BASIS not in self._study.user_attrs:
            self._study.set_user_attr(_BASIS, ours)


def _file_of(name: str, storage: str) -> Path | None:
    """Return a study's file, or None where studies are in a database.

    Raises:
        StoreUnreachable: if the address carries credentials.
    """
    if (problem := refusal(storage)) is not None:
        raise StoreUnreachable(f"The address of the studies {problem}: ML_PIPELINE_STUDIES.")
    return None if "://" in storage else Path(storage).expanduser() / f"{name}.log"


def _journal(file: Path) -> "optuna.storages.JournalStorage":
    """Open a study file.

    Raises:
        ValueError: if it is damaged.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and _is_cut_off(file):
        raise ValueError("its last line is cut off")
    return JournalStorage(JournalFileBackend(str(file), _lock(file.with_suffix(".lock"))))


def _lock(file: Path) -> "JournalFileOpenLock | None":
    """Return a lock that ends with its process, however that ends; None where there is none.

    Optuna's own would stand for half a minute after a sweep that was killed.
    """
    try:
        import fcntl
    except ImportError:
        return None
    from optuna.storages.journal import JournalFileOpenLock

    class Lock(JournalFileOpenLock):
        def acquire(self) -> bool:
            self._held = file.open("ab")
            fcntl.flock(self._held, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            self._held.close()

    return Lock(str(file))


def _is_cut_off(file: Path) -> bool:
    """Whether a file ends within a line, and nobody is about to complete it."""
    for _ in range(5):
        with file.open("rb") as lines:
            size = lines.seek(0, os.SEEK_END)
            lines.seek(max(0, size - 1))
            if lines.read() in (b"", b"\n"):
                return False
        time.sleep(0.05)
    return True


def _is_left(frozen: "optuna.trial.FrozenTrial") -> bool:
    """Whether nobody is going to answer a proposal that is unanswered."""
    owner = frozen.user_attrs.get(_OWNER, "")
    return owner == _NOBODY or is_gone(owner)


@contextlib.contextmanager
def _reaching(storage: str) -> Iterator[None]:
    """Turn what libraries say of a storage that cannot be used into one error."""
    failures: tuple[type[Exception], ...] = (OSError,)
    if "://" in storage:
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        failures = (OSError, ImportError, OptunaError, SQLAlchemyError)
    try:
        yield
    except failures as error:
        said = masked(str(error).partition("\n")[0])
        raise StoreUnreachable(
            f"The studies must be readable and writable in {storage}, but are not: {said}."
            " ML_PIPELINE_STUDIES names another place."
        ) from error


def _encoded(request: SweepRequest) -> set[str]:
    """Return the parameters with values that a study can hold only as JSON."""
    return {
        name
        for name, values in _listed(request).items()
        if any(isinstance(value, list | dict) for value in values)
    }


def _listed(request: SweepRequest) -> Mapping[str, list[Any]]:
    """Return the values of every parameter that has no interval, by dotted name."""
    if request.is_search:
        return {
            name: request.plain_values(name)
            for name, space in request.dimensions.items()
            if not isinstance(space, Interval)
        }
    trials = request.combinations.trials
    found = {
        name: [trial.varied[name] for trial in trials if name in trial.varied]
        for name in request.varied
    }
    return {
        name: list({digest_of(value): value for value in values}.values())
        for name, values in found.items()
    }


def _distributions(request: SweepRequest, encoded: Collection[str]) -> dict[str, Any]:
    from optuna import distributions as optuna

    found: dict[str, Any] = {}
    for name, space in request.dimensions.items():
        if isinstance(space, Interval) and space.whole:
            step = int(space.step or 1)
            found[name] = optuna.IntDistribution(int(space.low), int(space.high), space.log, step)
        elif isinstance(space, Interval):
            found[name] = optuna.FloatDistribution(space.low, space.high, space.log, space.step)
    for name, values in _listed(request).items():
        are_numbers = {type(value) for value in values} <= {int, float}
        if request.is_search or not are_numbers:
            choices = [json.dumps(value) if name in encoded else value for value in values]
            found[name] = optuna.CategoricalDistribution(choices)
        # A grid may become finer: a range of numbers can grow, and choices cannot.
        elif all(isinstance(value, int) for value in values):
            found[name] = optuna.IntDistribution(min(values), max(values))
        else:
            found[name] = optuna.FloatDistribution(min(values), max(values))
    return found


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
