"""A stored model runs nothing: what is planted is refused, by whatever name it goes."""

import builtins
import functools
import importlib
import io
import operator
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import skops.io
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import SkopsFormat
from ml_pipeline.store.formats.audit import _is_trusted
from ml_pipeline.store.formats.trusted_types import BY_LOADER, estimator_names
from ml_pipeline_tests.toys.keeping import kept
from ml_pipeline_tests.toys.planted import archive, call, mapping, node, plain, ridge


def partial(function: dict[str, Any], *arguments: Any) -> dict[str, Any]:
    content = {
        "func": function,
        "args": plain(tuple(arguments)),
        "kwds": mapping(),
        "namespace": plain(None),
    }
    return node("PartialNode", "functools.partial", content=content)


def function(name: str) -> dict[str, Any]:
    return node("FunctionNode", name)


# Each touches the file "marker" in the working directory when skops alone loads it.
ATTACKS: dict[str, Callable[[], bytes]] = {
    "a process": lambda: ridge(alpha=call("subprocess.Popen", ["touch", "marker"])),
    "an alias of a process": lambda: ridge(
        alpha=call("multiprocessing.util.subprocess.Popen", ["touch", "marker"])
    ),
    "a shell": lambda: ridge(alpha=call("os.system", "touch marker")),
    "an opened file": lambda: ridge(alpha=call("builtins.open", "marker", "w")),
    "an alias of open": lambda: ridge(alpha=call("tokenize._builtin_open", "marker", "w")),
    "a mapped file": lambda: ridge(alpha=call("numpy.memmap", "marker", "uint8", "w+", 0, [4])),
    "an alias of a mapped file": lambda: ridge(
        alpha=call("sklearn.externals.array_api_compat.numpy.memmap", "marker", "uint8", "w+", 0)
    ),
    "keys made by a shell": lambda: ridge(
        alpha=mapping(function("os.system"), **{"touch marker": plain(1)})
    ),
    "keys made by a shell called a type": lambda: ridge(
        alpha=mapping(node("TypeNode", "os.system"), **{"touch marker": plain(1)})
    ),
    "keys made by a shell of an old schema": lambda: ridge(
        protocol=0,
        of_key=node("TypeNode", "builtins.str"),
        alpha=mapping(
            function("numpy.log1p")
            | {"content": {"module_path": "os", "function": "system"}},
            **{"touch marker": plain(1)},
        ),
    ),
    "keys made under the number of a type": lambda: ridge(
        shell=(shell := function("os.system")),
        alpha=mapping(
            node("TypeNode", "builtins.str") | {"__id__": shell["__id__"]},
            **{"touch marker": plain(1)},
        ),
    ),
    "a list made by a function": lambda: ridge(
        alpha=node("ListNode", "subprocess.check_output", content=[plain("touch"), plain("marker")])
    ),
    "an array made by an alias": lambda: ridge(
        alpha=node(
            "NdArrayNode", "numpy.lib._datasource._open", type="json", content=[], shape=plain((0,))
        ),
        beta=call("builtins.open", "marker", "w"),
    ),
    "a loss that is a process": lambda: ridge(
        alpha=node(
            "LossNode",
            "subprocess.Popen",
            content=mapping(),
            __reduce__={"args": plain((["touch", "marker"],))},
        )
    ),
    "a named tuple that is a shell": lambda: ridge(
        alpha=node("DictNode", "builtins.dict", content={"x": call("os.system", "touch marker")},
                   key_types=node("ListNode", "builtins.list",
                                  content=[node("TypeNode", "builtins.str")]))
    ),
}  # fmt: skip


def loaded(data: bytes, folder: Path) -> Any:
    (folder / "model").write_bytes(data)
    return SkopsFormat().read(folder / "model", lazy=False)


@pytest.mark.parametrize("attack", ATTACKS)
def test_planted_model_is_refused_and_nothing_happens(
    attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ATTACKS[attack]()
    (tmp_path / "model").write_bytes(data)
    for ask in (lambda s: SkopsFormat().read(s, False), SkopsFormat().prove):
        with pytest.raises(ArtifactDamaged) as caught:
            ask(tmp_path / "model")
        assert "must hold only types that are trusted by name" in str(caught.value) or (
            "schema of another version" in str(caught.value)
        )
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


WORKING = ["a process", "a shell", "an opened file", "a mapped file", "keys made by a shell"]


@pytest.mark.parametrize("attack", WORKING)
def test_planted_model_would_run_if_all_that_it_names_were_trusted(
    attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ATTACKS[attack]()
    trusted = [*skops.io.get_untrusted_types(data=data), "subprocess.Popen", "os.system"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = skops.io.loads(data, trusted=trusted)
        if isinstance(loaded.__dict__.get("alpha"), subprocess.Popen):
            loaded.alpha.wait()
        del loaded
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "bad",
    [
        function("numpy.load"),
        function("numpy.save"),
        function("builtins.eval"),
        function("joblib.numpy_pickle.load"),
        function("numpy.distutils.fcompiler.gnu.Popen"),
        function("sklearn.datasets._lfw.remove"),
        function("sklearn.utils.fixes.joblib.load"),
        node("TypeNode", "numpy.memmap"),
        node("TypeNode", "sklearn.datasets._openml.Path"),
        node("ObjectNode", "sklearn.linear_model._ridge.partial"),
        node("ObjectNode", "sklearn.metrics._dist_metrics.PyFuncDistance64", content=mapping()),
        node("OperatorFuncNode", "operator.methodcaller", attrs=plain(("unlink",))),
        node("OperatorFuncNode", "operator.attrgetter", attrs=plain(("__class__",))),
        partial(function("numpy.mean")),
        partial(function("builtins.print"), "x"),
        node(
            "MethodNode",
            "sklearn.linear_model._ridge.Ridge",
            content={"func": "fit", "obj": node("ObjectNode", "sklearn.linear_model._ridge.Ridge")},
        ),
        node(
            "RandomGeneratorNode",
            "numpy.random._generator.Generator",
            content={"bit_generator": mapping(bit_generator=plain("seed")), "seed_seq": mapping()},
        ),
        node("DefaultDictNode", "collections.defaultdict", content={"main": mapping(),
             "default_factory": node("TypeNode", "subprocess.Popen")}),
        # What may be made in one way may not be made in another.
        node("ConstructorFromReduceNode", "sklearn.linear_model._ridge.Ridge", content=plain((1,))),
        call("sklearn.feature_selection._univariate_selection.f_regression", 1, 2),
        node("ListNode", "sklearn.metrics._regression.r2_score", content=[]),
        # An alias of what may be made is not it.
        node("ObjectNode", "sklearn.linear_model.Ridge", content=mapping()),
        node("ObjectNode", "sklearn.ensemble._forest.DecisionTreeClassifier", content=mapping()),
        function("sklearn.feature_selection.f_regression"),
        function("scipy.special.numpy.log1p"),
        mapping(node("TypeNode", "builtins.bool"), true=plain(1)),
    ],
    ids=lambda bad: f"{bad['__loader__']}-{bad['__module__']}.{bad['__class__']}",
)  # fmt: skip
def test_part_that_is_not_on_the_list_in_just_this_way_is_refused(
    bad: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactDamaged, match="must hold only types that are trusted by name"):
        loaded(ridge(alpha=bad), tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        archive([]),
        archive(None),
        archive({"protocol": 2}),
        archive({"protocol": True}),
        ridge(protocol=1),
        ridge(protocol=3),
        ridge(alpha={"__loader__": "JsonNode"}),
        ridge(alpha={}),
        ridge(alpha=node("NdArrayNode", "numpy.ndarray", type="numpy", file="gone.npy")),
        ridge(alpha=node("JsonNode", "builtins.str", content="{")),
        archive(plain(1) | {"protocol": 2}),
    ],
)
def test_archive_that_is_none_is_refused_in_one_sentence(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged):
        loaded(data, tmp_path)


def test_archive_without_a_schema_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w"):
        pass
    with pytest.raises(ArtifactDamaged, match="must be an archive of skops that can be read"):
        loaded(packed.getvalue(), tmp_path)


def test_planted_model_without_anything_else_is_read(tmp_path: Path) -> None:
    planted = ridge(alpha=plain(2.0), _sklearn_version=plain(sklearn.__version__))
    model = loaded(planted, tmp_path)
    assert isinstance(model, Ridge)
    assert model.alpha == 2.0


DANGEROUS = (
    *(subprocess.Popen, subprocess.run, subprocess.check_output, os.system, os.remove, os.makedirs),
    *(builtins.open, builtins.eval, builtins.exec, builtins.getattr, builtins.__import__),
    *(importlib.import_module, shutil.rmtree, functools.partial, operator.methodcaller, Path),
    *(np.load, np.save, np.memmap, np.fromfile, np.loadtxt, np.savetxt, np.frompyfunc),
)


def test_no_alias_in_any_module_of_the_scientific_stack_is_trusted() -> None:
    estimator_names()  # which imports all of scikit-learn
    tried = 0
    loaded = [
        name for name in sys.modules if name.partition(".")[0] in ("sklearn", "numpy", "scipy")
    ]
    assert len(loaded) > 500
    for module in loaded:
        for attribute, found in list(vars(sys.modules[module]).items()):
            trusted = [
                loader for loader in BY_LOADER if _is_trusted(loader, f"{module}.{attribute}", {})
            ]
            is_dangerous = any(found is one for one in DANGEROUS)
            tried += is_dangerous
            assert not (trusted and is_dangerous), f"{module}.{attribute}"
            if trusted and not isinstance(found, np.ufunc):
                assert (found.__module__, found.__qualname__) == (module, attribute)
    assert tried > 50


# Before writing


class Elsewhere(Ridge):
    pass


def shifted(x: Any) -> Any:
    return x + 1


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (FunctionTransformer(np.save), "numpy.save"),
        (FunctionTransformer(functools.partial(np.clip, a_min=0)), "functools.partial"),
        (FunctionTransformer(lambda x: x), f"{__name__}.<lambda>"),
        (FunctionTransformer(shifted), f"{__name__}.shifted"),
        (FunctionTransformer("".join), "__main__.join"),
        (FunctionTransformer(Ridge().fit), "sklearn.linear_model._ridge.Ridge"),
        (Ridge(alpha=Path("x")), "pathlib"),
        (FunctionTransformer(kw_args={True: 1}), "a mapping with keys of type builtins.bool"),
        (FunctionTransformer(kw_args={None: 1}), "a mapping with keys of type builtins.NoneType"),
        (Elsewhere(), f"{__name__}.Elsewhere"),
    ],
)  # fmt: skip
def test_model_that_could_not_be_read_back_is_refused_before_writing(
    model: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError) as caught:
        kept(model, tmp_path / "model")
    assert said in str(caught.value)
    assert "Pipeline(..., formats=[...])" in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_refusal_before_writing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        kept(Elsewhere(), tmp_path / "model")
    assert str(caught.value) == (
        f"A model must hold only types that are trusted by name, but holds {__name__}.Elsewhere. If"
        " they are your own, say Pipeline(..., trusted=[Elsewhere]); else use another model, or"
        " give the pipeline a Format of your own: Pipeline(..., formats=[...])."
    )


def test_refusal_recommends_no_trust_that_would_not_help(tmp_path: Path) -> None:
    for function in (functools.partial(np.clip, a_min=0), np.save, lambda x: x):
        with pytest.raises(PipelineError) as caught:
            kept(FunctionTransformer(function), tmp_path / "model")
        assert "trusted=" not in str(caught.value)
        assert "Use another model, or give the pipeline a Format of your own" in str(caught.value)


def test_what_the_pipeline_trusts_is_kept_and_read_only_by_it(tmp_path: Path) -> None:
    trusting = SkopsFormat((Elsewhere, shifted))
    model = Elsewhere(alpha=3.0).fit([[0.0], [1.0]], [0.0, 2.0])
    trusting.keep(model, tmp_path / "model")
    again = trusting.read(tmp_path / "model", lazy=False)
    assert type(again) is Elsewhere
    assert again.predict([[3.0]]) == model.predict([[3.0]])
    with pytest.raises(ArtifactDamaged, match="Elsewhere"):
        SkopsFormat().read(tmp_path / "model", lazy=False)
    trusting.keep(FunctionTransformer(shifted), tmp_path / "other")
    assert trusting.read(tmp_path / "other", lazy=False).transform(np.ones(1)) == 2


def test_trust_in_a_class_is_in_that_class_and_not_in_its_name(tmp_path: Path) -> None:
    other = type("Elsewhere", (Ridge,), {"__module__": __name__})
    with pytest.raises(PipelineError, match="Elsewhere"):
        SkopsFormat((other,)).keep(other(), tmp_path / "model")
