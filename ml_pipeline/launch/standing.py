"""The standing parameters of an installation: what is asked for where nobody says otherwise."""

import json

from ml_pipeline.errors import ParamsError, SettingsError
from ml_pipeline.params.layers import STANDING, Layer, gathered
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.settings import settings


def standing(model: ParamModel) -> ParamSet:
    """Return the standing parameters.

    Raises:
        SettingsError: naming every problem with them.
    """
    layer = Layer(STANDING, settings().params, is_told=False)
    try:
        return gathered(model, [layer]).validated(model)
    except ParamsError as error:
        raise unusable("params", error) from None


def unusable(setting: str, error: ParamsError) -> SettingsError:
    """Return the error for a setting that holds parameters which are refused."""
    listed = "\n  ".join(error.problems)
    return SettingsError(
        f"Settings cannot be used:\n  {setting}: {listed}\nCorrect the variable"
        f" ML_PIPELINE_{setting.upper()} or {settings().home / 'settings.toml'}."
    )


def described(params: ParamSet) -> str:
    """Say which parameters are not the defaults, to show in the UI."""
    values = params.values(params.model.groups)
    given = [
        f"{p.dotted}={json.dumps(values[p.group][p.name])}"
        for p in params.model.parameters()
        if p.dotted in params.origins
    ]
    return f"Parameters: {', '.join(given) or 'the defaults'}."
