"""A resource class that a stage names in its signature counts as its code: a query is in there."""

from collections.abc import Callable

import pytest

from ml_pipeline_tests.toys.packages import Files, edited

SHOP = '''"""Where amounts come from."""
import dagster as dg
from team.queries import LATEST

class Supplier(dg.ConfigurableResource):
    pieces: int = 3

class Base(dg.ConfigurableResource):
    def ask(self, text):
        return len(text)

class Shop(Base):
    url: str
    supplier: Supplier

    def amounts(self):
        return self.ask(LATEST)

class Unused(dg.ConfigurableResource):
    def other(self):
        return 41
'''

STAGES = """import dagster as dg
from ml_pipeline import Pipeline, ParamModel
{imports}
P = Pipeline("p", ParamModel())

@P.asset
def stage({shop}):
    return shop.amounts()
"""

FORMS = {
    "class": ("from team.shop import Shop", "shop: Shop"),
    "parameter": ("from team.shop import Shop", "shop: dg.ResourceParam[Shop]"),
    "text": ("from team.shop import Shop", "shop: 'Shop'"),
    "attribute": ("from team import shop as shops", "shop: shops.Shop"),
}

EDITS = {
    "method": ("team/shop.py", "return len(text)", "return len(text) + 1", True),
    "query": ("team/queries.py", "newest", "oldest", True),
    "nested resource": ("team/shop.py", "pieces: int = 3", "pieces: int = 4", True),
    "comment": ("team/shop.py", "import dagster as dg", "import dagster as dg  # here", False),
    "another stage's module": ("team/other.py", "1", "2", False),
}


def package(form: str) -> Files:
    imports, shop = FORMS[form]
    return {
        "team/__init__.py": "",
        "team/queries.py": "LATEST = 'select newest'\n",
        "team/shop.py": SHOP,
        "team/other.py": "X = 1\n",
        "team/stages.py": STAGES.format(imports=imports, shop=shop),
    }


@pytest.mark.parametrize(
    ("form", "edit"), [*(("class", edit) for edit in EDITS), *((form, "query") for form in FORMS)]
)
def test_resource_in_a_signature_counts_as_code(
    fingerprint: Callable[..., str], form: str, edit: str
) -> None:
    files = package(form)
    path, old, new, counts = EDITS[edit]
    assert old in files[path]
    changed = edited({path: files[path]}, old, new)
    assert (fingerprint(files) != fingerprint({**files, **changed})) is counts
