"""What counts of parameter groups."""

from collections.abc import Callable

import pytest

from ml_pipeline_tests.toys.packages import GROUP, edited, one_module

USED = "def stage(g: G): return g\n"
FIELD = "class G(ParamGroup):\n    a: int = 50\n"
TYPES = "from typing import Annotated, ClassVar as CV, Final, Literal\nimport pydantic, enum\n"
VALIDATOR = "    @pydantic.model_validator(mode='after')\n    def derived(self):\n"
NESTED = "class G(ParamGroup):\n    a: list[T | None] = []\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FIELD + "    _k: int = 1\n", id="private attribute"),
        pytest.param(FIELD + "    _k: int = pydantic.PrivateAttr(default=1)\n", id="declared so"),
        pytest.param(FIELD + "    K: Final[int] = 1\n", id="final constant"),
        pytest.param(FIELD + "    K: CV[int] = 1\n", id="constant by another name of ClassVar"),
        pytest.param(
            FIELD + "    _k: int = 0\n" + VALIDATOR + "        self._k = self.a * 1\n"
            "        return self\n",
            id="validator that sets a private attribute",
        ),
        pytest.param(
            FIELD + VALIDATOR + "        object.__setattr__(self, 'a', 1)\n        return self\n",
            id="validator that sets whatever it names",
        ),
        pytest.param(
            FIELD + "    def resolved(self, others):\n        self._k = 1\n        return self\n",
            id="what fills a private attribute in",
        ),
        pytest.param(
            "class T(pydantic.BaseModel):\n    d: int = 0\n    def m(self): return 1\n" + NESTED,
            id="method of a field's class",
        ),
        pytest.param(
            "class T(ParamGroup):\n    d: int = 0\n    def m(self): return 1\n" + NESTED,
            id="method of a field that is a group",
        ),
        pytest.param(
            "class T(enum.Enum):\n    A = 'a'\n    @property\n    def m(self): return 1\n" + NESTED,
            id="property of a choice",
        ),
        pytest.param(
            "class Base:\n    def m(self): return 1\nclass T(Base, enum.Enum):\n    A = 'a'\n"
            + NESTED,
            id="method that choices inherit",
        ),
        pytest.param(
            "class I(ParamGroup):\n    def m(self): return 1\nclass T(pydantic.BaseModel):\n"
            "    d: Annotated[I, 'deep'] = I()\n" + NESTED,
            id="method of a field of a field",
        ),
    ],
)  # fmt: skip
def test_what_a_group_holds_beside_its_fields_counts(
    fingerprint: Callable[..., str], text: str
) -> None:
    files = one_module(GROUP + TYPES + text + USED)
    assert fingerprint(files) != fingerprint(edited(files, "1", "2"))


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        pytest.param(FIELD, "50", "51", id="default"),
        pytest.param(
            "class T(enum.Enum):\n    A = 'a'\n" + NESTED, "A =", "B = 'b'\n    A =",
            id="one more choice",
        ),
        pytest.param(
            "class G(ParamGroup):\n    a: Literal['x'] = 'x'\n", "['x']", "['x', 'y']",
            id="one more word",
        ),
        pytest.param(
            "class T(ParamGroup):\n    d: int = 0\n    def m(self): return 1\n" + NESTED,
            "d: int = 0", "d: int = 5", id="default of a field of a field",
        ),
        pytest.param(
            FIELD + VALIDATOR + "        assert self.a != 7\n        return self\n", "7", "8",
            id="validator that only refuses",
        ),
    ],
)  # fmt: skip
def test_values_of_a_group_do_not_count(
    fingerprint: Callable[..., str], text: str, old: str, new: str
) -> None:
    files = one_module(GROUP + TYPES + text + USED)
    assert fingerprint(files) == fingerprint(edited(files, old, new))
