"""What a stored model may hold, by exact name: scikit-learn's estimators and what they are made of.

So are those of LightGBM and XGBoost, whose boosters are held as the text and the UBJSON that these
libraries read without running anything.

Nothing here does anything when it is made, whatever it is given: no file, no process, no network.
Names are those of definitions. An alias of something else is no entry, however it is spelt.
"""

import threading
from collections.abc import Mapping
from functools import cache
from typing import Final


def _names(by_module: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        f"{module}.{name}" for module, names in by_module.items() for name in names.split()
    )


_SCALARS: Final = _names(
    {
        "numpy": "bool bytes_ clongdouble complex128 complex64 datetime64 float16 float32 float64"
        " int16 int32 int64 int8 longdouble longlong str_ timedelta64 uint16 uint32 uint64 uint8"
        " ulonglong void",
    }
)
_FUNCTIONS: Final = _names(
    {
        "numpy": "mean median average sum prod std var max min amax amin ptp nanmean nanmedian"
        " nansum nanmax nanmin nanstd nan_to_num clip ravel asarray array",
        "scipy._lib.array_api_compat.numpy._aliases": "asarray",
        "sklearn.cluster._kmeans": "_kmeans_single_elkan _kmeans_single_lloyd",
        "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
        "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression"
        " r_regression",
        "sklearn.metrics._classification": "accuracy_score balanced_accuracy_score"
        " brier_score_loss cohen_kappa_score d2_brier_score d2_log_loss_score f1_score fbeta_score"
        " hamming_loss hinge_loss jaccard_score log_loss matthews_corrcoef precision_score"
        " recall_score zero_one_loss",
        "sklearn.metrics._ranking": "average_precision_score coverage_error dcg_score"
        " label_ranking_average_precision_score label_ranking_loss ndcg_score roc_auc_score"
        " top_k_accuracy_score",
        "sklearn.metrics._regression": "d2_absolute_error_score d2_pinball_score d2_tweedie_score"
        " explained_variance_score max_error mean_absolute_error mean_absolute_percentage_error"
        " mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error"
        " mean_squared_log_error mean_tweedie_deviance median_absolute_error r2_score"
        " root_mean_squared_error root_mean_squared_log_error",
        "sklearn.metrics._scorer": "negative_likelihood_ratio positive_likelihood_ratio",
        "sklearn.metrics.cluster._supervised": "adjusted_mutual_info_score adjusted_rand_score"
        " completeness_score fowlkes_mallows_score homogeneity_score mutual_info_score"
        " normalized_mutual_info_score rand_score v_measure_score",
        "sklearn.metrics.pairwise": "additive_chi2_kernel chi2_kernel cosine_distances"
        " cosine_similarity euclidean_distances haversine_distances laplacian_kernel linear_kernel"
        " manhattan_distances nan_euclidean_distances polynomial_kernel rbf_kernel sigmoid_kernel",
        "sklearn.preprocessing._data": "add_dummy_feature binarize maxabs_scale minmax_scale"
        " normalize power_transform quantile_transform robust_scale scale",
    }
)
_LOSSES: Final = _names(
    {
        "sklearn._loss._loss": "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss"
        " CyHalfGammaLoss CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError"
        " CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss",
        "sklearn.linear_model._sgd_fast": "EpsilonInsensitive Hinge Huber Log ModifiedHuber"
        " SquaredEpsilonInsensitive SquaredHinge SquaredLoss",
    }
)
_PARTS: Final = _names(
    {
        "scipy.interpolate._bsplines": "BSpline",
        "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink"
        " MultinomialLogit",
        "sklearn._loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss"
        " HalfMultinomialLoss HalfPoissonLoss HalfSquaredError HalfTweedieLoss"
        " HalfTweedieLossIdentity HuberLoss PinballLoss",
        "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
        "sklearn.cluster._bisect_k_means": "_BisectingTree",
        "sklearn.compose._column_transformer": "make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
        "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct"
        " ExpSineSquared Exponentiation Matern PairwiseKernel Product RBF RationalQuadratic Sum"
        " WhiteKernel",
        "sklearn.metrics._dist_metrics": " ".join(
            f"{metric}Distance{bits}"
            for bits in (32, 64)
            for metric in (
                *("BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming"),
                *("Haversine", "Jaccard", "Kulsinski", "Mahalanobis", "Manhattan", "Matching"),
                *("Minkowski", "RogersTanimoto", "RussellRao", "SEuclidean", "SokalMichener"),
                "SokalSneath",
            )
        ),
        "sklearn.metrics._scorer": "_CurveScorer _PassthroughScorer _Scorer",
        "sklearn.model_selection._split": "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut"
        " LeaveOneOut LeavePGroupsOut LeavePOut PredefinedSplit RepeatedKFold"
        " RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold"
        " StratifiedShuffleSplit TimeSeriesSplit _CVIterableWrapper",
        "sklearn.multiclass": "_ConstantPredictor",
        "sklearn.neighbors._ball_tree": "BallTree BallTree32 BallTree64",
        "sklearn.neighbors._kd_tree": "KDTree KDTree32 KDTree64",
        "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
        "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
        "lightgbm.basic": "Booster",
        "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor",
        "xgboost.core": "Booster",
        "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker"
        " XGBRegressor",
    }
)

BY_LOADER: Final[Mapping[str, frozenset[str]]] = {
    "BytearrayNode": frozenset({"builtins.bytearray"}),
    "BytesNode": frozenset({"builtins.bytes"}),
    "ConstructorFromReduceNode": frozenset({"builtins.frozenset"}),
    "DefaultDictNode": frozenset({"collections.defaultdict"}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "DictNode": frozenset(
        {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"}
    ),
    "FunctionNode": _FUNCTIONS,
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "LossNode": _LOSSES,
    "MaskedArrayNode": frozenset({"numpy.ma.MaskedArray"}),
    "NdArrayNode": _SCALARS | {"numpy.ndarray"},
    "ObjectNode": _PARTS,
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "SetNode": frozenset({"builtins.set"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "SparseMatrixNode": _names(
        {
            f"scipy.sparse._{form}": f"{form}_array {form}_matrix"
            for form in ("bsr", "coo", "csc", "csr", "dia")
        }
    ),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": _SCALARS
    | {f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "str", "tuple")}
    | {"collections.OrderedDict"},
}
"""Names by the part of skops that makes them: each may be made in that way and in no other."""

OF_ONES_OWN: Final = frozenset(
    {
        *("ConstructorFromReduceNode", "DictNode", "FunctionNode", "ListNode", "NdArrayNode"),
        *("ObjectNode", "SetNode", "TupleNode", "TypeNode"),
    }
)
"""The parts of skops that may make what a pipeline trusts."""

KEYS: Final = frozenset(
    {
        *("builtins.float", "builtins.int", "builtins.str", "numpy.str_"),
        *(name for name in _SCALARS if name.startswith(("numpy.int", "numpy.uint"))),
        *("numpy.float32", "numpy.float64"),
    }
)
"""Types of a mapping's keys that come back from text as they were."""

BIT_GENERATORS: Final = frozenset({"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"})

UFUNC_MODULES: Final = ("numpy", "scipy.special._special_ufuncs", "scipy.special._ufuncs")
"""Where the functions of NumPy and SciPy that work element by element are defined."""


_LISTING: Final = threading.Lock()
"""Listing imports all of scikit-learn, which two threads at once trip over."""


def estimator_names() -> frozenset[str]:
    """Return the names of scikit-learn's own estimators, as it lists them."""
    with _LISTING:
        return _listed()


@cache
def _listed() -> frozenset[str]:
    from sklearn.utils import all_estimators

    return frozenset(
        f"{cls.__module__}.{cls.__qualname__}"
        for _, cls in all_estimators()
        if cls.__module__.partition(".")[0] == "sklearn"
    )
