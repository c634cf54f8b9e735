"""Optuna's strategies by name: what proposes parameter sets, and what gives them up."""

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_pipeline.params.identity import digest_of
from ml_pipeline.sweeps.distributions import Distributions
from ml_pipeline.sweeps.options import Strategy

if TYPE_CHECKING:
    import optuna


def sampler_for(
    strategy: Strategy, seed: int, number: int, space: Distributions
) -> "optuna.samplers.BaseSampler":
    """Return a sampler for one proposal, so that it depends on its number and not on restarts.

    Args:
        strategy: what proposes.
        seed: the seed of the whole search.
        number: the proposal's number in the study.
        space: what is searched.
    """
    import optuna

    # A quasi-random sequence keeps its place in the study itself.
    if strategy != "qmc":
        seed = int(digest_of([seed, number]), 16) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler: optuna.samplers.BaseSampler
        if strategy == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        elif strategy == "qmc":
            # Without scrambling the seed would have no effect.
            sampler = optuna.samplers.QMCSampler(seed=seed, scramble=True)
        else:
            sampler = {
                "random": optuna.samplers.RandomSampler,
                "cmaes": optuna.samplers.CmaEsSampler,
                "gp": optuna.samplers.GPSampler,
                "nsga2": optuna.samplers.NSGAIISampler,
            }[strategy](seed=seed)
    stepping: optuna.samplers.BaseSampler = _stepping()(sampler, space)
    return stepping


def pruner_for(name: str) -> "optuna.pruners.BasePruner":
    """Return the pruner of a name.

    Args:
        name: as `SearchOptions` has it.
    """
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


@cache
def _stepping() -> Any:
    """Return the class, which cannot be made before Optuna is imported."""
    from optuna.samplers import BaseSampler

    class Stepping(BaseSampler):
        """Proposes what another sampler proposes, with steps as one types them.

        Optuna multiplies and adds in binary, so a step of 0.1 comes to 0.30000000000000004.
        """

        def __init__(self, sampler: BaseSampler, space: Distributions) -> None:
            self._sampler = sampler
            self._space = space

        def infer_relative_search_space(self, *arguments: Any) -> Any:
            return self._sampler.infer_relative_search_space(*arguments)

        def sample_relative(self, *arguments: Any) -> dict[str, Any]:
            proposed = self._sampler.sample_relative(*arguments)
            return {name: self._space.on_step(name, value) for name, value in proposed.items()}

        def sample_independent(self, study: Any, trial: Any, name: str, space: Any) -> Any:
            proposed = self._sampler.sample_independent(study, trial, name, space)
            return self._space.on_step(name, proposed)

        def before_trial(self, *arguments: Any) -> None:
            self._sampler.before_trial(*arguments)

        def after_trial(self, *arguments: Any) -> None:
            self._sampler.after_trial(*arguments)

    return Stepping
