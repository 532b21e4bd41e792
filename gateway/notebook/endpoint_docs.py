"""Reads the documentation of endpoints: the Markdown above them, and examples of `REQUEST`."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from gateway.notebook import literals

Key = tuple[str, str]  # method and path, as annotated

MAX_SUMMARY = 120  # characters
MAX_EXAMPLE = 10_000  # characters of a request's path and body: the homepage has them all
HEADING = re.compile(r"#{1,6}\s+")


@dataclass(frozen=True)
class EndpointDoc:
    """`text` is Markdown; `example` is a value of REQUEST with any of `path`, `args`, `body`, `form`."""

    text: str = ""
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The text's first line, without the marks of a heading."""
        first = self.text.partition("\n")[0].strip()
        heading = HEADING.match(first)
        summary = first[heading.end() :].rstrip("#").rstrip() if heading else first
        return summary if len(summary) <= MAX_SUMMARY else summary[: MAX_SUMMARY - 1] + "…"

    @property
    def description(self) -> str:
        """The text without its heading, which is the summary."""
        first, _, rest = self.text.partition("\n")
        return rest.strip() if HEADING.match(first.strip()) else self.text

    @property
    def path(self) -> dict[str, str]:
        """The example's path parameters."""
        return {name: _to_text(value) for name, value in _object(self.example, "path").items()}

    @property
    def args(self) -> dict[str, list[str]]:
        """The example's query parameters. REQUEST has each as a list, mostly of one value."""
        args = _object(self.example, "args").items()
        return {
            name: [_to_text(one) for one in (value if isinstance(value, list) else [value])] for name, value in args
        }

    def request(self, annotated: str) -> dict[str, Any] | None:
        """The example as a request to the `annotated` path: its `path`, with the query, and its `body` as text.

        If it is an upload, its `form` is {field: value}, with "@FILE" for a file. None if there is no example, or one
        over MAX_EXAMPLE.
        """
        values = self.path
        segments = (
            quote(values.get(part[1:], part), safe=":") if part[:1] == ":" else part for part in annotated.split("/")
        )
        query = urlencode(self.args, doseq=True)
        body = self.example.get("body")
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        path = "/".join(segments) + (f"?{query}" if query else "")
        if not self.example or len(path) + len(text) > MAX_EXAMPLE:
            return None
        return {"path": path, "body": text, **({"form": form} if (form := _object(self.example, "form")) else {})}


def read(cells: Sequence[Any], keys_of: Callable[[str], Sequence[Key]]) -> tuple[str, dict[Key, EndpointDoc]]:
    """The Markdown at the top of a notebook, and the documentation of its endpoints.

    `cells` are nbformat's; `keys_of` returns the endpoints of a code cell. If an endpoint has several cells, the first
    documented one counts. A Markdown cell belongs to one endpoint or to the notebook.
    """
    docs: dict[Key, EndpointDoc] = {}
    used: set[int] = set()
    for number, cell in enumerate(cells):
        if cell.cell_type == "code" and (keys := keys_of(cell.source)):
            doc, places = _above(cells, number)
            used |= places
            if doc != EndpointDoc():
                docs.update({key: doc for key in keys if key not in docs})
    begins_with_text = cells and cells[0].cell_type == "markdown" and 0 not in used
    return (_text(cells[0]) if begins_with_text else ""), docs


def _above(cells: Sequence[Any], number: int) -> tuple[EndpointDoc, set[int]]:
    """The documentation in the Markdown and REQUEST cells directly above, in either order, and their indices."""
    text: str | None = None
    example: dict[str, Any] | None = None
    places: set[int] = set()
    for place in reversed(range(number)):
        cell = cells[place]
        if cell.cell_type == "markdown" and text is None:
            text = _text(cell)
        elif cell.cell_type == "code" and example is None and (value := _example(cell.source)) is not None:
            example = value
        else:
            break
        places.add(place)
    return EndpointDoc(text or "", example or {}), places


def _example(source: str) -> dict[str, Any] | None:
    """The value of a REQUEST cell, empty if it is computed; None for any other cell."""
    try:
        value = literals.read_assignment(source, "REQUEST")
    except literals.NotALiteral:
        return {}
    except LookupError:
        return None
    return value if isinstance(value, dict) else {}


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    """The object of that name; empty if there is none."""
    item = value.get(name)
    return item if isinstance(item, dict) else {}


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _text(cell: Any) -> str:
    text = cell.get("source")
    return text.strip() if isinstance(text, str) else ""
