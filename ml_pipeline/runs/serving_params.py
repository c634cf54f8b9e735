"""The parameters of a pipeline that scores with what an environment serves."""

from typing import Final, Literal

from pydantic import Field

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel

PRESENT: Final = "present"
OF_THE_DAY: Final = "of_the_day"


class ServingParams(ParamGroup):
    """Which promoted runs score.

    Attributes:
        champion: what the environment has now, or had when the scored day ended.
        share: part of the keys that the challenger scores; None for what the ledger says.
        hindsight: whether a run may score days before those that it was trained on.
    """

    champion: Literal["present", "of_the_day"] = Field(
        default=PRESENT,
        description="present: what the environment has now. of_the_day: what it had when the"
        " scored day ended, by the ledger of promotions.",
    )
    share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="part of the keys, such as customers, that the challenger scores; if unset, the"
        " flag `share` of the challenger, or else of the champion, or else 0",
    )
    hindsight: bool = Field(
        default=False,
        description="let days be scored by a run that was trained on later ones; marked, and not"
        " counted as realised quality",
    )


def serving_group(pipeline: str, params: ParamModel, serves: bool) -> str | None:
    """Return the name of the group that says which promoted runs score.

    Args:
        pipeline: name of the pipeline, for the error.
        params: its groups.
        serves: whether it scores with what another makes.

    Raises:
        PipelineError: if it serves and has no such group, or has one and does not serve.
    """
    found = [name for name, cls in params.groups.items() if issubclass(cls, ServingParams)]
    if len(found) != int(serves):
        raise PipelineError(
            f"Pipeline '{pipeline}' must have both a pipeline that it `serves` and one group of"
            f" ServingParams, or neither, but serves {'one' if serves else 'none'} and has"
            f" {', '.join(found) or 'no such group'}."
        )
    return found[0] if found else None
