import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.cli.main import main
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline_tests.cli.conftest import CommandLine, Ran

pytestmark = pytest.mark.long

DAY = ("--as-of", "1998-05-31")
TOLD = """
import json, sys
from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.settings import settings
import dagster as dg
with open_instance(settings()) as instance:
    event = instance.get_latest_materialization_event(dg.AssetKey("model"))
    run = instance.get_run_by_id(event.run_id)
    metadata = event.asset_materialization.metadata
    print(json.dumps([metadata["origins"].data, json.loads(run.tags["ml_pipeline/origins"])]))
"""


def write(line: CommandLine, **files: str) -> list[str]:
    """Write files and return the options that name them."""
    options = []
    for name, text in files.items():
        file = name.replace("_", ".")
        (line.folder / file).write_text(text)
        options += ["--params-file", file]
    return options


# Precedence and origins


def test_run_with_files_shows_and_records_where_every_value_came_from(
    used: CommandLine, run_python: Callable[..., str]
) -> None:
    options = write(
        used,
        base_yaml="training:\n  learning_rate: 0.3\n  max_depth: 2\nrun: {force: false}\n",
        more_toml="learning_rate = 1e-1\nmax_iter = 20\n",
    )
    typed = ("--param", "learning_rate=5e-2", "--param", "training.max_iter=100")
    done = used("run", *DAY, *options, *typed)
    assert done.code == 0, done.err
    assert done.out.startswith(
        "learning_rate = 0.05 (command line; overrides 0.1 of more.toml)\n"
        "max_depth = 2 (base.yaml)\n"
        "max_iter = 100 (command line; overrides 20 of more.toml)\n"
        "\n"
    )
    origins = {
        "training.learning_rate": "command line; overrides 0.1 of more.toml",
        "training.max_depth": "base.yaml",
        "training.max_iter": "command line; overrides 20 of more.toml",
    }
    again = used("run", *DAY, *options, *typed, "--json").document
    assert again["origins"] == {**origins, "run.force": "base.yaml"}
    (run,) = again["runs"]
    assert all(made["reused"] for made in run["artifacts"])
    plain = used("id", *DAY, "--param", "learning_rate=0.05", "-p", "max_depth=2", "--json")
    assert plain.document["run_id"] == run["run_id"]
    assert used("runs", "show", run["run_id"], "--json").document["origins"] == origins
    assert "command line; overrides 0.1 of more.toml" in used("runs", "show", run["run_id"]).out
    told = run_python(TOLD, ML_PIPELINE_HOME=str(used.folder / ".ml_pipeline"))
    assert json.loads(told) == [origins, {**origins, "run.force": "base.yaml"}]


def test_dry_run_shows_origins_before_the_plan(used: CommandLine) -> None:
    options = write(used, base_json='{"learning_rate": 0.3}')
    done = used("run", *DAY, *options, "--dry-run")
    assert done.out.startswith("learning_rate = 0.3 (base.json)\n\nas_of"), done.err
    assert used("why", *DAY, *options).out.count("learning_rate 0.1 -> 0.3") >= 1


# Like an earlier run


def test_like_takes_parameters_and_date_of_the_run(used: CommandLine) -> None:
    arguments = ("--as-of", "1998-05-30", "--param", "learning_rate=0.2", "--param", "max_iter=20")
    (made,) = used("run", *arguments, "--json").document["runs"]
    prefix = made["run_id"][:8]
    like = used("id", "--like", prefix, "--json").document
    assert (like["run_id"], like["as_of"]) == (made["run_id"], "1998-05-30")
    on_another_day = used("id", "--like", prefix, "--as-of", "1998-05-31", "--json").document
    assert on_another_day["as_of"] == "1998-05-31"
    assert on_another_day["params"] == like["params"]
    options = write(used, like_toml="max_iter = 30")
    changed = used("run", "--like", prefix, *options, "-p", "max_depth=2", "--json").document
    (run,) = changed["runs"]
    assert run["params"]["training"]["learning_rate"] == 0.2
    origin = f"like {made['run_id']}"
    assert changed["origins"]["training.learning_rate"] == origin
    assert changed["origins"]["training.max_iter"] == f"like.toml; overrides 20 of {origin}"
    assert changed["origins"]["training.max_depth"] == f"command line; overrides 3 of {origin}"


# Refusals


def test_problems_of_files_options_and_dates_are_told_together(cli: CommandLine) -> None:
    options = write(
        cli,
        bad_yaml="training: [\n",
        base_yaml="lerning_rate: 1\nmax_depth: 0\nsearch: {n_trials: 3}\n",
        list_json="[1]",
        other_ini="",
    )
    done = cli("run", "--as-of", "soon", *options, "--params-file", "bse.yaml", "--like", "abc",
               "--param", "x=1")  # fmt: skip
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "Error: 10 problems with the parameters:\n"
        f"  - --like: A run id must begin with 'abc', but none in {cli.artifacts} does."
        " `ml-pipeline runs list` shows those there are.\n"
        "  - --as-of must be a date such as 1998-05-31, but got 'soon'\n"
        "  - bad.yaml must be YAML, but line 2, column 1: expected the node content, but found"
        " '<stream end>'\n"
        "  - list.json must hold names and values, but holds a list\n"
        "  - other.ini must end in .yaml, .yml, .toml, .json to be read\n"
        "  - bse.yaml must be a file, but there is none. Did you mean 'base.yaml'?\n"
        "  - base.yaml: search belongs to a sweep: use `ml-pipeline sweep`\n"
        "  - base.yaml: 'lerning_rate' does not exist. Did you mean 'learning_rate'?\n"
        "  - 'x' does not exist.\n"
        "  - training.max_depth must be integer >= 1 and <= 32, but got 0 (base.yaml)\n"
        "Nothing was launched. `ml-pipeline params` lists every parameter with its type and"
        " bounds.\n"
    )
    assert not list(cli.artifacts.rglob("*"))


def test_like_what_is_no_run_id_is_refused(cli: CommandLine) -> None:
    done = cli("id", "--like", "newest")
    assert done.code == 2
    assert "--like: a run id is 1 to 16 hexadecimal digits, but got 'newest'" in done.err


# Templates


def test_template_of_every_language_gives_the_id_of_the_defaults(cli: CommandLine) -> None:
    expected = cli("id", *DAY, "--json").document["run_id"]
    for language in ("yaml", "toml", "json"):
        printed = cli("params", "--template", language)
        assert printed.code == 0, printed.err
        options = write(cli, **{f"run_{language}": printed.out})
        assert cli("id", *DAY, *options, "--json").document["run_id"] == expected
    assert cli("params", "--template").out == cli("params", "--template", "yaml").out
    assert "  # number > 0 and <= 1\n  learning_rate: 0.1\n" in cli("params", "--template").out


# Whatever a file holds


def run_main(*arguments: str) -> Ran:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as caught,
    ):
        main(list(arguments))
    return Ran(int(caught.value.code or 0), out.getvalue(), err.getvalue())


def identified(folder: Path, data: bytes, suffix: str, *arguments: str) -> Ran:
    file = folder / f"any{suffix}"
    file.write_bytes(data)
    return run_main("id", *DAY, "--params-file", str(file), *arguments, "--json")


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SUFFIXES = st.sampled_from([".yaml", ".yml", ".toml", ".json", ".txt", ""])
NAMES = [name for p in PIPELINE.params.parameters() for name in (p.name, p.dotted, p.group)]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5000)
    | st.floats(0, 2)
    | st.sampled_from(["orders", "customers", "linear", "v2", "1e-3", "7", "none", "yes", ""])
    | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=4)
)
LINES = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "search", "- a", "x", "[training]", "? b"]),
        st.sampled_from([": ", " = ", ":\n  ", "\n", ": &a ", ": *a #"]),
        SCALARS.map(str) | SCALARS.map(json.dumps),
    ).map("".join),
    max_size=5,
).map("\n".join)


@FUZZ
@given(data=st.binary(max_size=60) | LINES.map(lambda text: text.encode(errors="replace")),
       suffix=SUFFIXES)  # fmt: skip
def test_any_file_is_identified_or_refused_without_a_traceback(
    tmp_path: Path, data: bytes, suffix: str
) -> None:
    done = identified(tmp_path, data, suffix)
    assert done.code in (0, 2)
    assert "Traceback" not in done.err
    assert bool(done.out) == (done.code == 0)
    assert ("Nothing was launched." in done.err) == (done.code == 2)


@FUZZ
@given(
    values=st.dictionaries(
        st.sampled_from([p.name for p in PIPELINE.params.parameters() if p.is_identity]),
        SCALARS,
        max_size=4,
    ),
    suffix=st.sampled_from([".yaml", ".json"]),
)
def test_any_values_in_a_file_are_the_run_that_they_are_typed_or_refused(
    tmp_path: Path, values: dict[str, Any], suffix: str
) -> None:
    texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}
    typed = [part for name, text in texts.items() for part in ("--param", f"{name}={text}")]
    from_file = identified(tmp_path, json.dumps(values).encode(), suffix)
    by_hand = run_main("id", *DAY, *typed, "--json")
    assert {from_file.code, by_hand.code} <= {0, 2}
    if from_file.code == 0:
        assert by_hand.code == 0, by_hand.err
        assert from_file.document == by_hand.document
    elif by_hand.code == 0:
        # Typed, 7 and true are text where text is wanted, and none is no value.
        mistyped = [n for n, v in values.items() if not isinstance(v, str) or v == "none"]
        assert any(name in from_file.err for name in mistyped)
