"""Routes a method and a path to an endpoint, segment by segment, never by regular expressions.

A segment that begins with a colon is a parameter; a literal segment wins over a parameter, whatever their order in
the notebook. Segments are percent-decoded one by one, so `a%2Fb` is one segment, in a route too. One trailing slash is
ignored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from gateway.http.address import DEFAULT, split

Target = TypeVar("Target")


@dataclass(slots=True)
class RouteMatch(Generic[Target]):
    """A path that exists. `target` is None if the method is not `allowed`; `path` are the path parameters."""

    target: Target | None
    path: dict[str, str]
    allowed: tuple[str, ...]


class _Node(Generic[Target]):
    def __init__(self) -> None:
        self.literals: dict[str, _Node[Target]] = {}
        self.parameter: _Node[Target] | None = None
        self.methods: dict[str, tuple[Target, tuple[str, ...]]] = {}


class Router(Generic[Target]):
    """A tree of the paths below an API's addresses, of which `own` is one, as callers spell it."""

    def __init__(self, own: str = DEFAULT) -> None:
        self._root: _Node[Target] = _Node()
        self._addresses = {DEFAULT.encode(), own.encode()}
        self._literal: dict[tuple[str, bytes], RouteMatch[Target]] = {}

    def add(self, method: str, path: str, target: Target) -> None:
        """Route `path`, as annotated, to `target`; the first of two equal routes wins."""
        node = self._root
        names: list[str] = []
        parts, segments = _split(path), _decode(path.encode())
        for part, segment in zip(parts, segments, strict=True):
            if part.startswith(":"):
                names.append(segment[1:])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        node.methods.setdefault(method, (target, tuple(names)))
        whole = ("/" + "/".join(segments)).encode()
        # Nothing wins over a path without parameters, so one dict lookup finds it; but a path with a decoded slash or
        # percent sign is another one.
        if not names and _decode(whole) == segments:
            for address in self._addresses:
                self._literal.setdefault((method, address + whole), RouteMatch(target, {}, (method,)))

    def find(self, method: str, path: bytes) -> RouteMatch[Target] | None:
        """The match for a request's path (with its address, without query), None if there is none.

        A parameter does not match an empty segment. ValueError: the path is not UTF-8.
        """
        return self._literal.get((method, path)) or self._search(method, *split(path))

    def _search(self, method: str, address: bytes, path: bytes) -> RouteMatch[Target] | None:
        if not address:
            return None
        allowed: dict[str, None] = {}
        for node, values in _walk(self._root, _decode(path), ()):
            if method in node.methods:
                target, names = node.methods[method]
                return RouteMatch(target, dict(zip(names, values, strict=True)), (method,))
            allowed |= dict.fromkeys(node.methods)
        return RouteMatch(None, {}, tuple(allowed)) if allowed else None


def _walk(
    node: _Node[Target], segments: list[str], values: tuple[str, ...]
) -> Iterator[tuple[_Node[Target], tuple[str, ...]]]:
    """All nodes that the segments match, the most literal first."""
    if not segments:
        yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.literals:
        yield from _walk(node.literals[first], rest, values)
    if node.parameter and first:
        yield from _walk(node.parameter, rest, (*values, first))


def _split(path: str) -> list[str]:
    return path.removesuffix("/").split("/")[1:]


def _decode(path: bytes) -> list[str]:
    """Its segments, each percent-decoded."""
    if b"%" in path:
        return [unquote_to_bytes(part).decode() for part in path.removesuffix(b"/").split(b"/")[1:]]
    return _split(path.decode())


def allow_header(methods: Iterable[str]) -> str:
    """The value of `Allow`: the methods of a path, HEAD if GET is among them, and OPTIONS."""
    allowed = dict.fromkeys(methods)
    if "GET" in allowed:
        allowed["HEAD"] = None
    allowed["OPTIONS"] = None
    return ", ".join(allowed)
