"""Parameters are validated at the door, and once more where Dagster's boundary forces it."""

from collections.abc import Callable
from pathlib import Path

import pytest

COUNTS = """
import sys
from ml_pipeline.params.model import ParamModel

counts = []
validate = ParamModel.validate

def counted(*arguments, **named):
    counts.append(1)
    return validate(*arguments, **named)

ParamModel.validate = counted
from ml_pipeline.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("validated", len(counts))
"""


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (("id", "--as-of", "1998-05-31"), 1),
        (("why", "--as-of", "1998-05-31"), 1),
        (("run", "--dry-run", "--as-of", "1998-05-31"), 1),
        (("run", "--as-of", "1998-05-31", "-p", "max_iter=2"), 2),
    ],
)
def test_command_validates_its_parameters_once_at_the_door(
    run_python: Callable[..., str], tmp_path: Path, command: tuple[str, ...], count: int
) -> None:
    told = run_python(COUNTS, *command, ML_PIPELINE_HOME=str(tmp_path))
    assert told.splitlines()[-1] == f"validated {count}"
