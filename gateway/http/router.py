"""Which endpoint a request is for: paths are matched segment by segment, never as regular expressions.

A literal segment wins over a `:parameter`, whatever the order in the notebook. A segment is a parameter when
it begins with a colon. Segments are percent-decoded one by one, so `a%2Fb` is one segment. One trailing slash
more or less makes no difference.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

Target = TypeVar("Target")


class RouteMatch(Generic[Target]):
    """What is at a path: `target` for the method, None if it is not among `allowed`; `path` parameters."""

    __slots__ = ("allowed", "path", "target")

    def __init__(self, target: Target | None, path: dict[str, str], allowed: tuple[str, ...]) -> None:
        self.target = target
        self.path = path
        self.allowed = allowed


class _Node(Generic[Target]):
    def __init__(self) -> None:
        self.literals: dict[str, _Node[Target]] = {}
        self.parameter: _Node[Target] | None = None
        self.methods: dict[str, tuple[Target, tuple[str, ...]]] = {}


class Router(Generic[Target]):
    """Endpoints below `base_url` ("/invoke"; "" or "/" for the root)."""

    def __init__(self, base_url: str) -> None:
        self._root: _Node[Target] = _Node()
        self._base = _segments(base_url.encode())
        self._literal: dict[tuple[str, bytes], RouteMatch[Target]] = {}

    def add(self, method: str, path: str, target: Target) -> None:
        """Let `path`, as annotated, lead to `target`; the first of two alike wins."""
        node = self._root
        names: list[str] = []
        segments = [*self._base, *_segments(path.encode())]
        for segment in segments:
            if segment.startswith(":"):
                names.append(segment[1:])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        node.methods.setdefault(method, (target, tuple(names)))
        if not names:  # no other path can win over one without parameters
            whole = "/" + "/".join(segments)
            self._literal.setdefault((method, whole.encode()), RouteMatch(target, {}, (method,)))

    def find(self, method: str, path: bytes) -> RouteMatch[Target] | None:
        """What a request's path (without query) leads to, None if nothing is there.

        ValueError: the path is not UTF-8. A parameter does not match an empty segment.
        """
        found = self._literal.get((method, path))
        return found or self._search(method, _segments(path))

    def _search(self, method: str, segments: list[str]) -> RouteMatch[Target] | None:
        allowed: dict[str, None] = {}
        for node, values in _walk(self._root, segments, ()):
            if method in node.methods:
                target, names = node.methods[method]
                return RouteMatch(target, dict(zip(names, values, strict=True)), (method,))
            allowed |= dict.fromkeys(node.methods)
        return RouteMatch(None, {}, tuple(allowed)) if allowed else None


def _walk(
    node: _Node[Target], segments: list[str], values: tuple[str, ...]
) -> Iterator[tuple[_Node[Target], tuple[str, ...]]]:
    """Every node that the segments can lead to, the most literal first."""
    if not segments:
        yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.literals:
        yield from _walk(node.literals[first], rest, values)
    if node.parameter and first:
        yield from _walk(node.parameter, rest, (*values, first))


def _segments(path: bytes) -> list[str]:
    segments = [unquote_to_bytes(part).decode() for part in path.removesuffix(b"/").split(b"/")]
    return segments[1:]


def allow_header(found: Iterable[str]) -> str:
    """The value of `Allow`: what is defined, and what every path answers besides."""
    methods = dict.fromkeys(found)
    if "GET" in methods:
        methods["HEAD"] = None
    methods["OPTIONS"] = None
    return ", ".join(methods)
