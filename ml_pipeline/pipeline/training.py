"""Fitting a model on the examples before the held-out period."""

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.examples import feature_columns, split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

_FEWEST_EXAMPLES: Final = 10
_FEATURES_PER_SPLIT: Final = 0.3
# Ratios are learned through arcsinh, which bends from linear to logarithmic around 1. Doubled, an
# ordinary day has its ratio in the logarithmic part, which is what suits relative errors.
_STRETCH: Final = 2.0


class Hyperparameters(Protocol):
    """How to fit; what each of them means stands where it is declared as a parameter.

    Attributes:
        estimator: family of the model.
        learning_rate: shrinkage per boosting step; unused by linear.
        max_depth: depth of each boosted tree; unused by linear.
        max_iter: boosting steps, or solver iterations where linear iterates.
        regularization: L2 penalty of the leaves or the coefficients.
        holdout_days: most recent days kept from training.
        seed: seed of every random choice.
    """

    estimator: Literal["gradient_boosting", "linear"]
    learning_rate: float
    max_depth: int
    max_iter: int
    regularization: float
    holdout_days: int
    seed: int


def fit(
    features: "pl.DataFrame",
    hyper: Hyperparameters,
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    horizon_days: int,
) -> Any:
    """Fit a model on the examples whose target is over before the held-out period.

    The same arguments give the same model. Fitting uses one thread.

    Args:
        features: what `build_features` made for the same dataset, as_of and horizon_days.
        hyper: how to fit.
        dataset: ``orders`` to forecast revenue, ``customers`` to tell who buys again.
        as_of: the last known day.
        horizon_days: days after `day` that a target covers.

    Returns:
        A fitted scikit-learn estimator made of nothing but scikit-learn and NumPy types. Use
        `predict` to get revenue or probabilities from it.

    Raises:
        NotEnoughDataError: if too few examples are left to train on, or all have one outcome.
    """
    from threadpoolctl import threadpool_limits

    training = split(
        features, as_of=as_of, horizon_days=horizon_days, holdout_days=hyper.holdout_days
    ).training
    if training.height < _FEWEST_EXAMPLES:
        raise NotEnoughDataError(
            f"Training needs at least {_FEWEST_EXAMPLES} examples whose {horizon_days} target days"
            f" end before the {hyper.holdout_days} held-out days up to as_of={as_of}, but there are"
            f" {training.height}. Choose a later as_of, a smaller holdout_days, horizon_days or"
            " lookback_days, a larger history_days, or another source."
        )
    if dataset == "orders":
        target = (_STRETCH * training["target"] / training["scale"]).to_numpy()
    else:
        target = training["target"].to_numpy()
        if len(set(target.tolist())) == 1:
            raise NotEnoughDataError(
                "Training needs customers who bought again and customers who did not, but of"
                f" {training.height} examples before the held-out days {target.sum()} did."
                " Choose another horizon_days, a later as_of, or another source."
            )
    if hyper.estimator == "linear":
        model = _linear(dataset, hyper)
    else:
        model = _gradient_boosting(dataset, hyper, examples=training.height)
    # Two OpenMP threads make a small fit many times slower than one.
    with threadpool_limits(limits=1):
        return model.fit(_matrix(training, feature_columns(training)), target)


def predict(model: Any, features: "pl.DataFrame") -> "npt.NDArray[np.float64]":
    """Apply a fitted model.

    Args:
        model: what `fit` returned, or the same read back from a store.
        features: examples of the dataset that it was fitted on, n rows.

    Returns:
        n values: the revenue of each example's target days, or the probability that the customer
        buys again.
    """
    import numpy as np

    matrix = _matrix(features, list(model.feature_names_in_))
    with _threads().limit(limits=1):
        if hasattr(model, "predict_proba"):
            return np.asarray(model.predict_proba(matrix)[:, 1], dtype=np.float64)
        ratios = np.asarray(model.predict(matrix), dtype=np.float64) / _STRETCH
    scale: npt.NDArray[np.float64] = features["scale"].to_numpy()
    return ratios * scale


@cache
def _threads() -> Any:
    """Return what bounds threads; looking for the libraries takes as long as predicting.

    Whoever has a model has loaded what it computes with.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _matrix(features: "pl.DataFrame", columns: list[str]) -> "pl.DataFrame":
    import polars as pl

    return features.select(pl.col(columns).cast(pl.Float64))


def _linear(dataset: str, hyper: Hyperparameters) -> Any:
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    compress = FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")
    if dataset == "customers":
        inverse = 1 / hyper.regularization if hyper.regularization else np.inf
        classifier = LogisticRegression(C=inverse, max_iter=hyper.max_iter, random_state=hyper.seed)
        return make_pipeline(compress, StandardScaler(), classifier)
    weekdays = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer([("weekday", weekdays, ["weekday"])], remainder=compress)
    ridge = Ridge(alpha=hyper.regularization, max_iter=hyper.max_iter, random_state=hyper.seed)
    return _of_ratios(make_pipeline(prepare, StandardScaler(), ridge))


def _gradient_boosting(dataset: str, hyper: Hyperparameters, *, examples: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {
        "learning_rate": hyper.learning_rate,
        "max_depth": hyper.max_depth,
        "max_iter": hyper.max_iter,
        "l2_regularization": hyper.regularization,
        "max_features": _FEATURES_PER_SPLIT,
        # Outcomes are noisy: small leaves would learn the noise, if there is data for larger ones.
        "min_samples_leaf": max(5, min(40, examples // 10)),
        # It would hold out a part of its own, and make max_iter a bound instead of a count.
        "early_stopping": False,
        "random_state": hyper.seed,
    }
    if dataset == "customers":
        return HistGradientBoostingClassifier(**settings)
    return _of_ratios(HistGradientBoostingRegressor(loss="absolute_error", **settings))


def _of_ratios(regressor: Any) -> Any:
    """Learn ratios on a scale where doubling and halving weigh alike; refunds may go below 0."""
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(
        regressor, func=np.arcsinh, inverse_func=np.sinh, check_inverse=False
    )
