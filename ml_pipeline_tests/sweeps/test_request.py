import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.sweeps.objective import objective_of
from ml_pipeline.sweeps.options import MODEL
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline_tests.toys.sweep_bench import asked, nested
from ml_pipeline_tests.toys.sweeps import NO_OBJECTIVE, PARAMS, PIPELINE


def problems(**values: Any) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        objective_of(PIPELINE, asked(**values))
    return list(caught.value.problems)


def varied(**values: Any) -> list[dict[str, Any]]:
    trials = asked(**values).combinations.trials
    return [
        {name.partition(".")[2]: value for name, value in trial.varied.items()} for trial in trials
    ]


# Listed combinations


def test_combinations_are_the_product_in_order() -> None:
    assert varied(learning_rate="0.1,0.2", depth=[1, 2]) == [
        {"learning_rate": 0.1, "depth": 1},
        {"learning_rate": 0.1, "depth": 2},
        {"learning_rate": 0.2, "depth": 1},
        {"learning_rate": 0.2, "depth": 2},
    ]


def test_combinations_of_every_kind_of_parameter() -> None:
    found = varied(
        region="north,south",
        bias="none,0.5",
        weights="[1],[1,2]",
        fancy="true,false",
        label='"a,b",c',
    )
    assert len(found) == 32
    assert found[0] == {
        "region": "north",
        "bias": None,
        "weights": [1.0],
        "fancy": True,
        "label": "a,b",
    }


def test_combinations_without_any_choice_are_one() -> None:
    (trial,) = asked(learning_rate="0.3").combinations.trials
    assert trial.varied == {}
    assert trial.params.values()["fit"]["learning_rate"] == 0.3


def test_combinations_that_are_alike_count_once() -> None:
    found = asked(learning_rate="0.3,0.30,3e-1,0.1").combinations
    assert (found.asked, len(found.trials), found.duplicates) == (4, 2, 2)
    assert [trial.number for trial in found.trials] == [0, 1]


def test_combinations_alike_after_defaults_are_resolved_count_once() -> None:
    found = asked(search={"trials": [{"depth": 3}, {"depth": "3"}, {"learning_rate": 0.1}, {}]})
    assert (found.combinations.duplicates, len(found.combinations.trials)) == (3, 1)


def test_combinations_of_trials_and_lists_are_multiplied() -> None:
    found = varied(learning_rate="0.1,0.2", search={"trials": [{"depth": 1}, {"depth": 2}]})
    assert len(found) == 4
    assert found[1] == {"depth": 1, "learning_rate": 0.2}


def test_combinations_keep_the_origin_of_every_value() -> None:
    request = SweepRequest.parse(
        PARAMS, nested({"learning_rate": "0.1,0.2", "depth": "4"}), {"fit.depth": "a file"}
    )
    origins = request.combinations.trials[0].params.origins
    assert origins == {"fit.depth": "a file", "fit.learning_rate": "sweep"}


def test_combinations_that_are_invalid_are_refused_all_together() -> None:
    assert problems(depth="0,1,99", learning_rate="0,0.1") == [
        ("fit.learning_rate must be number > 0 and <= 10, but got '0' (3 of 6 combinations)"),
        "fit.depth must be integer >= 1 and <= 64, but got '0' and '99' (4 of 6 combinations)",
    ]


def test_combinations_that_are_invalid_are_left_out_on_request() -> None:
    found = asked(depth="0,1,8", rows="4,40", search={"skip_invalid": True}).combinations
    assert (found.asked, len(found.trials), found.invalid) == (6, 3, 3)
    assert found.problems == {
        "fit.depth must be integer >= 1 and <= 64, but got '0'": 2,
        "fit: `depth <= rows` must hold, but got (depth=8, rows=4)": 1,
    }


def test_combinations_that_are_all_invalid_are_refused_even_so() -> None:
    assert problems(depth="0,99", search={"skip_invalid": True}) == [
        "fit.depth must be integer >= 1 and <= 64, but got '0' and '99'",
    ]


def test_combinations_beyond_the_cap_are_refused_with_their_sizes() -> None:
    assert problems(depth="range(1,41)", learning_rate="linspace(0.1,1,30)") == [
        (
            "a sweep may have at most 1000 combinations, but this one has 1200"
            " (fit.learning_rate 30 x fit.depth 40): list fewer values, choose a search"
            " strategy, or set max_trials=1200"
        )
    ]
    found = asked(depth="range(1,41)", search={"max_trials": 40}).combinations
    assert len(found.trials) == 40


def test_combinations_that_no_cap_allows_are_refused_at_once_with_their_count() -> None:
    lists = {"depth": "range(1,65)", "learning_rate": "linspace(0.1,1,50_000)"}
    too_many = (
        " combinations, but this one has 3200000 (fit.learning_rate 50000 x fit.depth 64): list"
        " fewer values, or choose a search strategy"
    )
    assert problems(**lists) == [f"a sweep may have at most 1000{too_many}"]
    before = time.process_time()
    assert problems(**lists, search={"max_trials": 3_200_000}) == [
        "search.max_trials must be integer >= 1 and <= 10000, but got 3200000",
        f"a sweep may have at most 1000{too_many}",
    ]
    assert problems(**lists, search={"max_trials": 10_000}) == [
        f"a sweep may have at most 10000{too_many}"
    ]
    assert time.process_time() - before < 2


# Searches


def test_strategy_is_tpe_where_there_is_an_interval_and_grid_elsewhere() -> None:
    assert asked(learning_rate="0.1,0.2").strategy == "grid"
    assert asked(learning_rate="[0.1..1]").strategy == "tpe"
    assert asked(learning_rate="0.1,0.2", search={"strategy": "random"}).strategy == "random"


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"depth": "[1..4]"}, 4),
        ({"depth": "[1..9 step 2]", "fancy": "true,false"}, 10),
        ({"learning_rate": "[0.1..1 step 0.1]"}, 10),
        ({"learning_rate": "[0.1..1]", "depth": "1,2"}, float("inf")),
        ({"learning_rate": "0.3,0.30,1", "search": {"strategy": "tpe"}}, 2),
    ],
)
def test_size_is_the_number_of_parameter_sets(values: dict[str, Any], size: float) -> None:
    assert asked(**values).size == size


def test_search_checks_both_ends_and_every_listed_value() -> None:
    assert problems(learning_rate="[0..11]", depth="1,99", search={"strategy": "tpe"}) == [
        "fit.learning_rate must be number > 0 and <= 10, but got 0.0 and 11.0",
        "fit.depth must be integer >= 1 and <= 64, but got '99'",
    ]


def test_search_whose_corners_do_not_all_go_together_is_accepted() -> None:
    request = asked(depth="[1..30]", rows="[2..40]")
    assert request.is_search
    assert len(list(request.representatives)) == 4


def test_search_leaves_listed_values_out_that_are_never_valid_on_request() -> None:
    assert problems(depth="[1..4]", label='"a",b', rows="1,40") == [
        "data.rows must be integer >= 2, but got '1'"
    ]
    request = asked(depth="[1..4]", rows="1,40", search={"skip_invalid": True})
    assert request.plain_values("data.rows") == [40]


def test_search_document_does_not_depend_on_how_it_was_written() -> None:
    one = asked(learning_rate="log[1e-3..1]", depth="1,2", fancy="false")
    other = asked(depth=["1", 2.0], learning_rate="log[0.001..1.0]")
    assert json.dumps(one.document(), sort_keys=True) == json.dumps(
        other.document(), sort_keys=True
    )


# Contradictions


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"learning_rate": "[0.1..1]", "search": {"strategy": "grid"}},
            (
                "fit.learning_rate is an interval, which a grid cannot try: list values, like"
                " learning_rate=linspace(0.1,1,5), or choose strategy tpe or random"
            ),
        ),
        (
            {"search": {"strategy": "tpe"}},
            (
                "strategy tpe needs something to vary: give a parameter several values or an"
                " interval, like learning_rate=log[0.01..1]"
            ),
        ),
        (
            {"pause_s": "0,1"},
            "around.pause_s cannot be swept: it does not change what is computed",
        ),
        ({"force": "true,false"}, "run.force cannot be swept: it does not change what is computed"),
        ({"colour": "red,blue"}, "unused.colour cannot be swept: 'score' does not depend on it"),
        (
            {"depth": "[1..4]", "search": {"trials": [{"rows": 9}]}},
            "search.trials are listed combinations: leave the strategy out, and intervals, too",
        ),
        (
            {"depth": "1,2", "search": {"trials": [{"depth": 9}]}},
            "fit.depth is set in search.trials and beside it: leave it out in one place",
        ),
        (
            {"depth": 5, "search": {"trials": [{"fit.depth": 9}]}},
            "fit.depth is set in search.trials and beside it: leave it out in one place",
        ),
        (
            {"depth": "1,2", "search": {"metric": "speed"}},
            "search.direction must be minimize or maximize where metric=speed",
        ),
        (
            {"region": "north,south", "search": {"strategy": "random"}},
            (
                "a search needs one objective, but these trials are judged by gain (maximize) and"
                " loss (minimize): fix the parameter that decides, or list values and use the grid"
            ),
        ),
        ({"search": {"strategie": "tpe"}}, "'search.strategie' does not exist. Did you mean 's"),
        (
            {"search": {"workers": 0}},
            "search.workers must be integer >= 1 and <= 1024 or none, but got 0",
        ),
        (
            {"depth": "[1..4]", "search": {"study": "../x"}},
            "search.study must be text of 1 to 100 characters",
        ),
        ({"search": 3}, "search must be a mapping of parameters, but got 3"),
        ({"search": {"trials": 3}}, "search.trials must be list, but got 3"),
        (
            {"search": {"trials": []}},
            "search.trials must list at least one combination, or be left out",
        ),
        (
            {"depth": "1,2", "search": {"metric": "m" * 300}},
            "search.metric must be text of 1 to 200 characters or none, but got 'mmmm",
        ),
        (
            {"depth": "1,2", "search": {"strategy": "cmaes"}},
            "strategy cmaes needs the package cmaes: pip install cmaes",
        ),
    ],
)
def test_request_that_contradicts_itself_is_refused_in_these_words(
    values: dict[str, Any], told: str
) -> None:
    import importlib.util

    if "cmaes" in told and importlib.util.find_spec("cmaes"):
        pytest.skip("cmaes is installed")
    (problem,) = problems(**values)
    assert problem.startswith(told)


WITHOUT_EFFECT = [
    ({"n_trials": 4}, "search.n_trials has no effect where every listed combination is tried"),
    ({"n_trials": 20}, "search.n_trials has no effect where every listed combination is tried"),
    ({"sampler_seed": 0}, "search.sampler_seed has no effect where every listed"),
    ({"pruner": "median"}, "search.pruner has no effect where every listed"),
    ({"study": "mine"}, "search.study has no effect where every listed"),
    ({"direction": "minimize"}, "search.direction has no effect without search.metric"),
]


@pytest.mark.parametrize(("options", "told"), WITHOUT_EFFECT)
@pytest.mark.parametrize("values", [{"depth": "1,2"}, {}, {"search": {"trials": [{"depth": 1}]}}])
def test_option_without_effect_on_a_grid_is_refused(
    values: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    search = {**values.get("search", {}), **options}
    (problem,) = problems(**{**values, "search": search})
    assert problem.startswith(told)


def test_option_without_effect_on_a_search_is_refused() -> None:
    assert problems(depth="[1..4]", search={"max_trials": 1000, "direction": "maximize"}) == [
        (
            "search.max_trials has no effect on a search, which tries n_trials parameter sets:"
            " leave it out, or list values"
        ),
        (
            "search.direction has no effect without search.metric, since the pipeline's own"
            " objective has its direction: name the metric, or leave the direction out"
        ),
    ]


def test_option_that_asks_for_nothing_is_no_mistake() -> None:
    options = {"pruner": "none", "skip_invalid": False, "timeout_s": 60}
    assert len(asked(depth="1,2", search=options).combinations.trials) == 2


@pytest.mark.parametrize("options", [one for one, _ in WITHOUT_EFFECT])
def test_option_without_effect_is_refused_from_run_config_unless_it_is_filled_in(
    options: dict[str, Any],
) -> None:
    """The launchpad fills defaults in: only what differs from them was meant."""
    filled = {**MODEL.defaults.values(["search"])["search"], **options}
    config = {**nested({"depth": "1,2"}), "search": filled}
    if filled == MODEL.defaults.values(["search"])["search"]:
        assert len(SweepRequest.of_config(PARAMS, config).combinations.trials) == 2
        return
    with pytest.raises(ParamsError, match="has no effect"):
        SweepRequest.of_config(PARAMS, config)


def test_request_of_run_config_is_the_one_that_was_read_before() -> None:
    values = nested({"learning_rate": 0.1, "depth": [1, 2], "bias": "none,0.25"})
    read = SweepRequest.parse(PARAMS, values, {"fit.learning_rate": "a file"})
    filled = PARAMS.defaults.values(PARAMS.groups)
    config = {group: {**fields, **values.get(group, {})} for group, fields in filled.items()}
    assert SweepRequest.of_config(PARAMS, config) is read
    again = SweepRequest.of_config(PARAMS, config, {"fit.rows": "launchpad"})
    assert [trial.key for trial in again.combinations.trials] == [
        trial.key for trial in read.combinations.trials
    ]
    assert again.combinations.trials[0].params.origins == {
        "fit.rows": "launchpad",
        "fit.depth": "sweep",
        "fit.bias": "sweep",
    }
    other = {**config, "fit": {**config["fit"], "depth": [1, 2.0]}}
    assert SweepRequest.of_config(PARAMS, other) is not read


def test_request_tells_the_problems_of_a_column_once_and_all_of_them() -> None:
    rows = [{"dept": place, "rows": "many", "depth": 100 + place} for place in range(40)]
    assert problems(search={"trials": [*rows, {"dept": 1, "colour": "red"}]}) == [
        (
            "search.trials[0], search.trials[1], search.trials[2] and 38 more: 'dept' does not"
            " exist. Did you mean 'depth'?"
        ),
        "data.rows must be integer >= 2, but got 'many' (40 of 41 combinations)",
        (
            "fit.depth must be integer >= 1 and <= 64, but got 100, 101, 102 and 37 more"
            " (40 of 41 combinations)"
        ),
    ]


def test_request_of_a_search_that_lists_very_many_values_is_refused_at_once() -> None:
    assert problems(learning_rate="linspace(11,12,100000)", depth="[1..4]") == [
        (
            "fit.learning_rate lists 100,000 values, but a search takes at most 1,000 of them:"
            " give an interval, or list fewer"
        )
    ]


def test_request_reports_all_its_problems_at_once() -> None:
    with pytest.raises(ParamsError) as caught:
        SweepRequest.parse(
            PARAMS,
            {
                "fit": {"learning_rate": "log(0,1,3)", "dept": "1,2", "depth": 0},
                "fti": {},
                "data": 3,
                "search": {"pruner": "x", "workers": 0},
            },
            problems=["found before"],
        )
    told = "\n".join(caught.value.problems)
    for part in (
        "found before",
        "a logarithmic scale has only numbers above 0",
        "'fit.dept' does not exist. Did you mean 'depth'?",
        "fit.depth must be integer >= 1",
        "'fti' is no parameter group. Did you mean 'fit'?",
        "data must be a mapping of parameters, but got 3",
        "search.pruner must be one of",
        "search.workers must be",
    ):
        assert part in told
    assert len(caught.value.problems) == 8


def test_request_with_all_defaults_filled_in_takes_trials() -> None:
    """The launchpad fills defaults in, and they do not stand beside what the trials say."""
    defaults = PARAMS.defaults.values(PARAMS.groups)
    filled = {**MODEL.defaults.values(["search"])["search"], "trials": [{"depth": 1}]}
    request = SweepRequest.of_config(PARAMS, {**defaults, "search": filled})
    assert len(request.combinations.trials) == 1
    with pytest.raises(ParamsError, match=r"fit.depth is set in search.trials and beside it"):
        SweepRequest.parse(PARAMS, {**defaults, "search": {"trials": [{"depth": 1}]}})


def test_objective_of_a_grid_over_what_decides_it_is_none() -> None:
    assert objective_of(PIPELINE, asked(region="north,south")) is None
    chosen = objective_of(PIPELINE, asked(region="north,south", search={"metric": "gain"}))
    assert chosen is not None
    assert (chosen.metric, chosen.direction) == ("gain", "maximize")


def test_objective_of_a_search_on_a_pipeline_without_one_has_to_be_named() -> None:
    with pytest.raises(ParamsError, match="'score' declares none: set search"):
        objective_of(NO_OBJECTIVE, asked(depth="[1..3]"))
    assert objective_of(NO_OBJECTIVE, asked(depth="1,2")) is None


_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("01,.[](){} lograne-e\"'")
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)
_FIELDS = st.sampled_from([p.name for p in PARAMS.parameters()]) | st.text(max_size=3)
_SEARCH = st.dictionaries(
    st.sampled_from(["strategy", "trials", "n_trials", "skip_invalid", "metric", "max_trials"]),
    _VALUES | st.sampled_from(["grid", "tpe"]),
    max_size=3,
)


@given(
    st.dictionaries(
        st.sampled_from(list(PARAMS.groups)) | st.text(max_size=3),
        st.dictionaries(_FIELDS, _VALUES, max_size=3) | _PLAIN,
        max_size=3,
    ),
    _SEARCH | _PLAIN,
)
def test_request_of_anything_is_read_or_refused(values: dict[str, Any], search: Any) -> None:
    config = {**values, "search": search}
    for read in (SweepRequest.parse, SweepRequest.of_config):
        try:
            request = read(PARAMS, config)
        except ParamsError:
            continue
        assert next(request.representatives)


_LISTS = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.lists(
            st.sampled_from([0.1, "0.10", 1e-1, 2, "2.0", 0.5]), min_size=1, max_size=4
        ),
        "depth": st.lists(st.sampled_from([1, "1", 1.0, 2, 60, 0]), min_size=1, max_size=3),
        "rows": st.lists(st.sampled_from([40, "40", 2]), min_size=1, max_size=2),
        "fancy": st.lists(st.sampled_from([True, "true", False]), min_size=1, max_size=2),
    },
)


@given(_LISTS)
def test_combinations_add_up_and_agree_with_single_runs(lists: dict[str, list[Any]]) -> None:
    try:
        found = asked(**lists, search={"skip_invalid": True}).combinations
    except ParamsError:
        return
    assert found.asked == len(found.trials) + found.duplicates + found.invalid
    assert len({trial.key for trial in found.trials}) == len(found.trials)
    for trial in found.trials:
        single = PARAMS.parse(dict(trial.varied))
        assert single == trial.params
        run = PIPELINE.run_slot(single, None)
        assert run.run_id == PIPELINE.run_slot(trial.params, None).run_id


def test_group_that_is_called_as_the_options_of_a_sweep_is_refused() -> None:
    class Depths(ParamGroup):
        depth: int = 1

    with pytest.raises(ParamsError) as caught:
        SweepRequest.parse(ParamModel(search=Depths), {"search": {"depth": "1,2"}})
    (problem,) = caught.value.problems
    assert "rename it, with formerly = 'search' to keep ids" in problem
