"""A model card as a page."""

from ml_pipeline.leaderboard.model_card import ModelCard
from ml_pipeline.leaderboard.page import Origin, figure, page, plain_table, sorting_table, told_row
from ml_pipeline.leaderboard.page import with_commands as told
from ml_pipeline.runs.card_sections import Section, markdown


def card_page(card: ModelCard, origin: Origin) -> str:
    """Return a page that needs nothing beside itself, and can be printed.

    Args:
        card: what to show.
        origin: what it was made from.
    """
    found = [_section(section, number) for number, section in enumerate(card.sections)]
    return page(card.title, origin, found)


def card_markdown(card: ModelCard, with_pictures: bool = True) -> str:
    """Return a card as Markdown.

    Args:
        card: what to show.
        with_pictures: whether pictures are put in, each as one long line.
    """
    return markdown(card.title, card.sections, with_pictures)


def _section(section: Section, number: int) -> str:
    heading = f"section-{number}"
    words = "".join(f"<p class=words>{told(text)}</p>" for text in section.words)
    return (
        f'<section><h2 id="{heading}">{told(section.title)}</h2>{words}'
        f"{_table(section, heading)}{''.join(map(figure, section.pictures))}</section>"
    )


def _table(section: Section, heading: str) -> str:
    if not section.rows:
        return ""
    rows = [told_row(["" if value is None else value for value in row]) for row in section.rows]
    if not any(section.columns):
        return plain_table(heading, rows)
    return sorting_table(heading, section.columns, rows, is_sorted=False)
