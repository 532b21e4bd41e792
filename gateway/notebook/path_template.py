"""A path as annotated (`/a/:b`) in the words of OpenAPI (`/a/{b}`)."""

import re
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import quote, unquote

# What may stand in a segment of a path as it is (RFC 3986, pchar).
AS_IT_IS = "-._~!$&'()*+,;=:@"


@dataclass(frozen=True)
class PathTemplate:
    """`text` is the template, `names` are its parameters; `annotated` are the same as the notebook has them.

    Paths of one `shape` are the same for a router, whatever their parameters are called.
    """

    text: str
    shape: str
    names: tuple[str, ...]
    annotated: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> "PathTemplate":
        """Reads a path as gateway.http.router does: segment by segment, a trailing slash forgiven."""
        text: list[str] = []
        shape: list[str] = []
        names: dict[str, str] = {}
        for segment in map(unquote, path.removesuffix("/").split("/")[1:]):
            if segment.startswith(":"):
                # Braces would end the template's; no two parameters of a path may share a name.
                name = unique(re.sub(r"[^\w.-]", "_", segment[1:]) or "parameter", names)
                names[name] = segment[1:]
                text.append(f"{{{name}}}")
                shape.append("{}")
            else:
                text.append(quote(segment, safe=AS_IT_IS, errors="replace"))
                shape.append(text[-1])
        return cls("/" + "/".join(text), "/" + "/".join(shape), tuple(names), tuple(names.values()))


def unique(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
