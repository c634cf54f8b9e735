import pytest

from ml_pipeline.sweeps.plan import Plan, duration


def plan(**fields: object) -> Plan:
    standard: dict[str, object] = {
        "combinations": 24,
        "dates": 14,
        "duplicates": 0,
        "invalid": 0,
        "problems": {},
        "reused": 0,
        "to_run": 336,
        "estimated_s": None,
        "workers": 2,
        "strategy": "grid",
    }
    return Plan(**{**standard, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {
                "reused": 9,
                "duplicates": 2,
                "invalid": 3,
                "problems": {"fit.depth must be integer >= 1, but got 0": 3},
                "to_run": 322,
                "estimated_s": 240.0,
            },
            (
                "24 combinations x 14 dates: 9 reused, 2 duplicates dropped, 3 invalid"
                " (fit.depth must be integer >= 1, but got 0), 322 to run, about 4 min on 2 workers"
            ),
        ),
        (
            {},
            (
                "24 combinations x 14 dates: 0 reused, 336 to run, no earlier run to estimate the"
                " time from, on 2 workers"
            ),
        ),
        (
            {"combinations": 1, "dates": 1, "to_run": 1, "workers": 1, "estimated_s": 3.4},
            "1 combination x 1 date: 0 reused, 1 to run, about 4 s on 1 worker",
        ),
        (
            {"combinations": 2, "dates": 1, "reused": 2, "to_run": 0, "duplicates": 1},
            "2 combinations x 1 date: 2 reused, 1 duplicate dropped, 0 to run",
        ),
        (
            {"strategy": "tpe", "combinations": 20, "dates": 2, "to_run": 40, "estimated_s": 9000},
            "20 trials by tpe x 2 dates: 0 reused, at most 40 to run, about 2.5 h on 2 workers",
        ),
        (
            {"strategy": "random", "combinations": 1, "dates": 1, "to_run": 1, "estimated_s": 1},
            "1 trial by random x 1 date: 0 reused, at most 1 to run, about 1 s on 2 workers",
        ),
    ],
)
def test_plan_sentence_is(fields: dict[str, object], sentence: str) -> None:
    assert plan(**fields).sentence == sentence
    assert plan(**fields).document["sentence"] == sentence


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (86400, "24.0 h"),
    ],
)
def test_duration_is_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
