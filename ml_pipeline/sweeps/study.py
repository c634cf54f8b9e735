"""The Optuna study of a sweep: what was tried, what came of it, what to try next.

A study is kept in a file, or in a database, so that a sweep goes on where it was stopped, can be
made longer, and opens in Optuna's dashboard. Every proposal is seeded by its number, so a sweep
that was interrupted proposes what it would have proposed, and a study that was lost is made again
from the store: the same proposals, all of them published. (A process that is killed in the very
moment of proposing leaves half a proposal, which nobody takes up; what follows may differ then.)
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.owner import is_gone, token
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.distributions import Distributions
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.samplers import pruner_for, sampler_for
from ml_pipeline.sweeps.study_storage import file_of, journal, reaching
from ml_pipeline.sweeps.trial import Trial

if TYPE_CHECKING:
    import optuna

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
        self.file = file_of(name, storage)
        self._space = Distributions(request)
        with reaching(storage):
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
                trial = self.request.trial(self._space.values(frozen.params), frozen.number)
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
        seed = self.request.options.sampler_seed
        self._study.sampler = sampler_for(self.request.strategy, seed, number, self._space)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handle = self._study.ask(dict(self._space.by_name))
        return handle.number, self._space.values(handle.params)

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
                params={
                    name: self._space.stored(name, trial.varied[name]) for name in trial.varied
                },
                distributions={name: self._space.by_name[name] for name in trial.varied},
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

    def _opened(self, storage: str, objective: Objective) -> "optuna.Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def opened() -> optuna.Study:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return optuna.create_study(
                    study_name=self.name,
                    storage=storage if self.file is None else journal(self.file),
                    direction=objective.direction,
                    pruner=pruner_for(self.request.options.pruner),
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
                    check_distribution_compatibility(distribution, self._space.by_name[name])
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


def is_of_a_sweep(study: "optuna.Study") -> bool:
    """Whether a study is one of ours: others may be in the same place."""
    return _BASIS in study.user_attrs


def owners(study: "optuna.Study") -> list[str]:
    """Return who works on proposals that are unanswered, as far as they have said so."""
    trials = study.get_trials(deepcopy=False)
    unended = [frozen for frozen in trials if not frozen.state.is_finished()]
    return [frozen.user_attrs.get(_OWNER, "") for frozen in unended]


def _is_left(frozen: "optuna.trial.FrozenTrial") -> bool:
    """Whether nobody is going to answer a proposal that is unanswered."""
    owner = frozen.user_attrs.get(_OWNER, "")
    return owner == _NOBODY or is_gone(owner)
