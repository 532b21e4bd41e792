"""What a notebook says of its endpoints to readers: the Markdown above them, and examples of `REQUEST`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.notebook import literals

Key = tuple[str, str]  # method and path, as annotated

LONGEST_SUMMARY = 120  # characters
HEADING = re.compile(r"#{1,6}\s+(?P<text>.*?)\s*#*$")


@dataclass(frozen=True)
class Note:
    """`text` is Markdown; `example` is a value of REQUEST with any of `path`, `args`, `body`."""

    text: str = ""
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The text's first line, without the signs of a heading."""
        first = self.text.partition("\n")[0].strip()
        heading = HEADING.match(first)
        summary = heading["text"] if heading else first
        return summary if len(summary) <= LONGEST_SUMMARY else summary[: LONGEST_SUMMARY - 1] + "…"

    @property
    def description(self) -> str:
        """The text; without its heading, which is the summary."""
        first, _, rest = self.text.partition("\n")
        return rest.strip() if HEADING.match(first.strip()) else self.text


def read(cells: Sequence[Any], key_of: Callable[[str], Key | None]) -> tuple[str, dict[Key, Note]]:
    """The Markdown that a notebook begins with, and the notes on its endpoints.

    `cells` are nbformat's; `key_of` says which endpoint a code cell is. Of an endpoint of several cells the first
    that has a note counts. A Markdown cell belongs to one endpoint, or to the notebook.
    """
    notes: dict[Key, Note] = {}
    used: set[int] = set()
    for number, cell in enumerate(cells):
        if cell.cell_type == "code" and (key := key_of(cell.source)):
            note, places = _above(cells, number)
            used |= places
            if note != Note():
                notes.setdefault(key, note)
    begins_with_text = cells and cells[0].cell_type == "markdown" and 0 not in used
    return (_text(cells[0]) if begins_with_text else ""), notes


def _above(cells: Sequence[Any], number: int) -> tuple[Note, set[int]]:
    """The note from the Markdown cell and the REQUEST cell directly above, in either order; and where they are."""
    text: str | None = None
    example: dict[str, Any] | None = None
    places: set[int] = set()
    for place in reversed(range(number)):
        cell = cells[place]
        if cell.cell_type == "markdown" and text is None:
            text = _text(cell)
        elif cell.cell_type == "code" and example is None and (found := _example(cell.source)) is not None:
            example = found
        else:
            break
        places.add(place)
    return Note(text or "", example or {}), places


def _example(source: str) -> dict[str, Any] | None:
    """The value of a REQUEST cell, empty where it is computed; None for any other cell."""
    try:
        value = literals.assigned(source, "REQUEST")
    except literals.NotALiteral:
        return {}
    except LookupError:
        return None
    return value if isinstance(value, dict) else {}


def _text(cell: Any) -> str:
    text = cell.get("source")
    return text.strip() if isinstance(text, str) else ""
