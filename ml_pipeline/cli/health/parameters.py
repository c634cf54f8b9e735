"""What parameters stand for and has to be there: outside data, and secrets."""

from collections.abc import Iterator

from ml_pipeline.cli.health.finding import Finding
from ml_pipeline.cli.project import Project
from ml_pipeline.environments import Environment
from ml_pipeline.errors import SecretError, SettingsError
from ml_pipeline.launch.standing import ENVIRONMENT, standing_layers
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.model import ParamSet
from ml_pipeline.params.secret import SecretRef
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.text import counted


def secrets(served: Project, environment: Environment) -> Iterator[Finding]:
    """Look whether every secret that standing parameters refer to is there; none is shown."""
    name = f"secrets {environment.name}".strip()
    params = _standing(served, environment)
    values = params.flat(params.model.groups)
    count = 0
    for parameter in params.model.parameters():
        written = values.get(parameter.dotted)
        if not parameter.holds_secret or written is None:
            continue
        count += 1
        try:
            SecretRef(str(written)).get()
        except SecretError as error:
            yield Finding(name, "problem", f"{parameter.dotted}: {error}")
            count -= 1
    if count:
        yield Finding(name, "ok", f"{count} can be looked up")


def sources(served: Project, environment: Environment) -> Iterator[Finding]:
    """Look whether the outside data of the last date can be read with standing parameters."""
    name = f"sources {environment.name}".strip()
    if not any(stage.reads is not None for stage in served.pipeline.stages.values()):
        return
    calendar = served.location.calendar
    last: AsOf | None = None
    if calendar.is_partitioned:
        try:
            last = calendar.recent(1)[-1]
        except SettingsError:
            return  # keys without time: none is the last
    params = _standing(served, environment)
    store = served.location.store_in(environment.name or None)
    materializer = Materializer(served.pipeline, store)
    read = 0
    for stage in served.pipeline.stages.values():
        if stage.reads is not None:
            materializer.external(stage, params, last)
            read += 1
    yield Finding(name, "ok", f"what {counted(read, 'stage')} read for {last} is there")


def _standing(served: Project, environment: Environment) -> ParamSet:
    model = served.pipeline.params
    asked = [Layer("doctor", {ENVIRONMENT: environment.name})] if environment.name else []
    own = served.settings.params
    return gathered(model, [*standing_layers(model, asked, own), *asked]).validated(model)
