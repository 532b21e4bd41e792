"""Converts an annotated path (`/a/:b`) to an OpenAPI template (`/a/{b}`)."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

# Characters that a path segment may contain unquoted (RFC 3986, pchar).
PCHAR = "-._~!$&'()*+,;=:@"


@dataclass(frozen=True)
class PathTemplate:
    """`text` is the template, `names` are its parameters, `annotated` their names in the notebook.

    A router cannot tell paths of one `shape` apart, whatever the names of their parameters.
    """

    text: str
    shape: str
    names: tuple[str, ...]
    annotated: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> "PathTemplate":
        """Parses a path as gateway.http.router does: segment by segment, a trailing slash ignored."""
        text: list[str] = []
        shape: list[str] = []
        names: dict[str, str] = {}
        unique_names = UniqueNames()
        for part in path.removesuffix("/").split("/")[1:]:
            segment = unquote(part)
            if part.startswith(":"):
                # Braces would end the template's; names within a path are unique.
                name = unique_names.add(re.sub(r"[^\w.-]", "_", segment[1:]) or "parameter")
                names[name] = segment[1:]
                text.append(f"{{{name}}}")
                shape.append("{}")
            else:
                text.append(quote(segment, safe=PCHAR, errors="replace"))
                shape.append(text[-1])
        return cls("/" + "/".join(text), "/" + "/".join(shape), tuple(names), tuple(names.values()))


class UniqueNames:
    """Names of which none is given twice."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # the last that was appended to a name, 1 for none

    def add(self, name: str) -> str:
        """The name, with a number appended if it is taken."""
        candidate = name
        while candidate in self._numbers:
            self._numbers[name] += 1
            candidate = f"{name}_{self._numbers[name]}"
        self._numbers[candidate] = 1
        return candidate
