"""Every block of the README and of the pages that it leads to, executed as it stands."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ml_pipeline_tests.e2e.server import serving, tool
from ml_pipeline_tests.toys.readme import own_pipeline

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
DOCS = sorted((REPOSITORY / "ml_pipeline" / "docs").glob("*.md"))
BLOCKS = [
    (match["language"], match["body"])
    for page in (README, *(page.read_text() for page in DOCS))
    for match in re.finditer(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", page, re.M | re.S)
]


SERVER = "http://127.0.0.1:3000"


def _blocks(language: str) -> list[str]:
    """Return the blocks of a language that need no webserver."""
    return [body for found, body in BLOCKS if found == language and SERVER not in body]


def _blocks_with_server(language: str) -> list[str]:
    return [body for found, body in BLOCKS if found == language and SERVER in body]


def _marked(marker: str) -> str:
    match = re.search(rf"^<!-- {marker} -->\n```bash\n(?P<command>.+)\n```$", README, re.M)
    assert match is not None, f"the README has no command after <!-- {marker} -->"
    return match["command"]


def _environment(folder: Path) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ML_PIPELINE_")}
    here = str(Path(sys.executable).parent)
    return environment | {"PATH": f"{here}:{environment['PATH']}", "PYTHONPATH": str(folder)}


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip


def test_readme_main_command_works_in_a_fresh_copy(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (REPOSITORY / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, tmp_path / name)
    done = _run(["bash", "-c", _marked("main")], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "evaluation" in done.stdout
    (model,) = tmp_path.glob(
        ".ml_pipeline/artifacts/model/dataset=orders/as_of=1998-05-31/**/*.skops"
    )
    assert (model.parent / "record.json").is_file()


def test_readme_shell_blocks_run_in_order(tmp_path: Path) -> None:
    marked = {_marked("main"), _marked("test")}
    commands = [body for body in _blocks("bash") if body.strip() not in marked]
    assert len(commands) >= 4
    done = _run(["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is reproduced, byte for byte" in done.stdout
    assert "2009-05-30" in done.stdout


def test_readme_console_block_prints_what_it_shows(tmp_path: Path) -> None:
    (shown,) = [body for body in _blocks("console") if "lerning_rate" in body]
    command, expected = shown.removeprefix("$ ").split("\n", 1)
    done = _run(["bash", "-c", command], tmp_path)
    assert done.returncode == 2
    assert done.stderr == expected


def test_readme_python_blocks_run(tmp_path: Path) -> None:
    for body in _blocks("python"):
        (tmp_path / "block.py").write_text(body)
        done = _run([sys.executable, "-c", "import block"], tmp_path)
        assert done.returncode == 0, done.stderr


def test_readme_blocks_with_a_webserver_run(tmp_path: Path) -> None:
    with serving([tool("ml-pipeline"), "ui"], tmp_path / ".ml_pipeline", cwd=tmp_path) as server:
        for body in _blocks_with_server("bash"):
            done = _run(["bash", "-ec", body.replace(SERVER, server.url)], tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            if "curl" in body:
                launched = json.loads(done.stdout)["data"]["launchRun"]["run"]["runId"]
                assert server.finished_run(launched)["status"] == "SUCCESS"
        (body,) = _blocks_with_server("python")
        done = _run([sys.executable, "-c", body.replace(SERVER, server.url)], tmp_path)
        assert done.returncode == 0, done.stderr
        assert {run["status"] for run in server.runs()} == {"SUCCESS"}
        assert len(server.runs()) == 4


def test_readme_own_pipeline_runs_and_refuses(tmp_path: Path) -> None:
    (tmp_path / "houses.py").write_text(own_pipeline())
    use = """
        import dagster as dg, houses
        from ml_pipeline.errors import ParamsError
        job = houses.defs.resolve_job_def("run_pipeline")
        instance = dg.DagsterInstance.ephemeral()
        def run(**fit):
            return job.execute_in_process(
                instance=instance, partition_key="2026-01-05",
                run_config={"resources": {"params": {"config": {"fit": fit}}}},
            )
        assert run(alpha=2.0).success
        again = run(alpha=2.0).get_asset_materialization_events()
        assert [made.materialization.metadata["reused"].value for made in again] == [True] * 3
        try:
            run(alhpa=1)
        except ParamsError as error:
            assert "Did you mean 'alpha'?" in str(error)
        else:
            raise AssertionError("an unknown name was let pass")
    """
    script = "\n".join(line.removeprefix("        ") for line in use.splitlines())
    done = _run([sys.executable, "-c", script], tmp_path)
    assert done.returncode == 0, done.stderr


def test_readme_launchpad_block_is_valid_run_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    (body,) = [body for body in _blocks("yaml") if "  params:" in body]
    (tmp_path / "config.yaml").write_text(body)
    assert yaml.safe_load(body)["resources"]["params"]["config"]["data"] == {"dataset": "customers"}
    script = """
import dagster as dg, yaml
from ml_pipeline.definitions import defs
job = defs.resolve_job_def("run_pipeline")
result = job.execute_in_process(
    instance=dg.DagsterInstance.ephemeral(), partition_key="1998-05-31",
    run_config=yaml.safe_load(open("config.yaml")),
)
made = {m.asset_key.to_user_string(): m.materialization.metadata
        for m in result.get_asset_materialization_events()}
assert made["model"]["training.learning_rate"].value == 0.2
assert made["model"]["data.dataset"].value == "customers"
"""
    done = _run([sys.executable, "-c", script], tmp_path)
    assert done.returncode == 0, done.stderr


def test_readme_sweep_block_is_valid_run_config(tmp_path: Path) -> None:
    (body,) = [body for body in _blocks("yaml") if "  sweep:" in body]
    (tmp_path / "config.yaml").write_text(body)
    script = """
import dagster as dg, yaml
from ml_pipeline.definitions import defs
if __name__ == "__main__":
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), partition_key="1998-05-31",
        run_config=yaml.safe_load(open("config.yaml")), asset_selection=[dg.AssetKey("sweep")],
    )
    (made,) = result.get_asset_materialization_events()
    assert made.materialization.metadata["trials"].value == 9
    assert made.materialization.metadata["failed"].value == 0
"""
    (tmp_path / "script.py").write_text(script)
    done = _run([sys.executable, "script.py"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_docs_comparison_block_is_valid_run_config(tmp_path: Path) -> None:
    (body,) = [body for body in _blocks("yaml") if "  comparison:" in body]
    (tmp_path / "config.yaml").write_text(body)
    script = """
import dagster as dg, yaml
from ml_pipeline.definitions import defs
config = yaml.safe_load(open("config.yaml"))
job = defs.resolve_implicit_global_asset_job_def()
try:
    job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), run_config=config,
        asset_selection=[dg.AssetKey("comparison")],
    )
except dg.DagsterError as error:
    assert str(error).startswith("A run must have been promoted to 'production'"), error
else:
    raise AssertionError("nothing is promoted here")
"""
    done = _run([sys.executable, "-c", script], tmp_path)
    assert done.returncode == 0, done.stderr


def test_docs_promotion_block_is_valid_run_config(tmp_path: Path) -> None:
    (body,) = [body for body in _blocks("yaml") if "  promotion:" in body]
    (tmp_path / "config.yaml").write_text(body)
    (tmp_path / ".ml_pipeline").mkdir()
    tables = 'environment = "staging"\nwritable = ["staging", "prod"]\n[environments.staging]\n'
    (tmp_path / ".ml_pipeline" / "settings.toml").write_text(
        tables + '[environments.prod]\nstore = "prod"\n'
    )
    script = """
import dagster as dg, yaml
from ml_pipeline.definitions import defs
done = defs.resolve_job_def("promote").execute_in_process(
    instance=dg.DagsterInstance.ephemeral(), run_config=yaml.safe_load(open("config.yaml")),
    raise_on_error=False,
)
(failed,) = [event for event in done.all_events if event.event_type_value == "STEP_FAILURE"]
assert "model_version=v2 must have a result" in str(failed.event_specific_data.error), failed
"""
    done = _run([sys.executable, "-c", script], tmp_path)
    assert done.returncode == 0, done.stderr


def test_readme_request_and_settings_are_accepted(tmp_path: Path) -> None:
    (request,) = [body for body in _blocks("yaml") if body.startswith("as_of:")]
    settings = "\n".join(_blocks("toml"))
    home = tmp_path / ".ml_pipeline"
    home.mkdir()
    (home / "settings.toml").write_text(settings)
    (tmp_path / "request.yaml").write_text(request)
    script = """
from pathlib import Path
from ml_pipeline.definitions import defs
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.params.documents import read_file
from ml_pipeline.launch.request_document import Rules, read_request
run = read_request(read_file(Path("request.yaml")), "request.yaml", Rules(PIPELINE))
assert list(run.assets) == ["orders", "features"]
weekly = defs.resolve_schedule_def("weekly_sweep")
assert '"max_depth": [2, 3, 4]' in weekly.description
assert "learning_rate=0.2" in weekly.description
"""
    done = _run([sys.executable, "-c", script], tmp_path)
    assert done.returncode == 0, done.stderr


def test_readme_environment_variables_are_the_settings() -> None:
    from ml_pipeline.settings import Settings

    page = (REPOSITORY / "ml_pipeline" / "docs" / "settings.md").read_text()
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"^\| `ML_PIPELINE_(\w+)` \|", page, re.M)) == known
    assert set(re.findall(r"^\| `ML_PIPELINE_(\w+)` \|", README, re.M)) < known


def test_readme_links_lead_to_files_that_exist() -> None:
    for page in (REPOSITORY / "README.md", *DOCS):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}"


def test_readme_console_blocks_name_real_commands() -> None:
    from ml_pipeline.cli.main import commands

    for body in _blocks("console") + _blocks("bash"):
        for name in re.findall(r"^\$? ?ml-pipeline (\w+)", body, re.M):
            context = commands.make_context("ml-pipeline", ["--help"], resilient_parsing=True)
            assert commands.get_command(context, name) is not None
