import polars as pl
import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long


def test_card_is_markdown_in_a_pipe_and_a_page_in_a_file(used: CommandLine) -> None:
    shown = used("card", "162ad")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("# Model card: model 162ad1ceb5bd28a1 of 1998-05-31\n")
    for said in (
        "Orders of 1996-06-01 to 1998-05-31 from source sample",
        "never for a decision about one person",
        "| mape | judged by: minimize |",
        "| naive\\_mape | baseline |",
        "data:image/svg+xml;base64,",
    ):
        assert said in shown.out
    page = used("card", "162ad", "--html", "--out", "card.html")
    assert (page.code, page.out, page.err) == (0, "", "Written: card.html\n")
    assert "<svg" in (used.folder / "card.html").read_text()
    (beside,) = (used.artifacts / "model").rglob("card.md")
    assert "`ml-pipeline card 162ad1ceb5bd28a1/" in beside.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("card", "0000"), 1, "A run id must begin with '0000'"),
        (("card", "xyz"), 2, "a run id is 1 to 16 hexadecimal digits"),
        (("card", "@staging"), 1, "A run must have been promoted to 'staging'"),
        (("card", "162ad", "--out", "no/such/folder.md"), 1, "no/such/folder.md"),
    ],
)
def test_card_that_cannot_be_made_is_refused(
    used: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = used(*arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_export_writes_one_dataset_and_again_over_it(used: CommandLine) -> None:
    shown = used("export", "out", "--json")
    assert shown.code == 0, shown.err
    assert shown.document["artifacts"] == 4
    frame = pl.read_parquet(used.folder / "out")
    assert frame.filter(asset="model")["params.training.learning_rate"].to_list() == [0.1]
    again = used("export", "out", "--where", "asset=evaluation")
    assert again.out.startswith(f"Written: {used.folder}/out/records.parquet: 1 artifact, ")
    (used.folder / "notes.parquet").write_text("mine")
    refused = used("export", "notes.parquet")
    assert (refused.code, refused.out) == (2, "")
    assert "--force" in refused.err
