"""The headers of a request as a function gets them."""

from collections.abc import Iterator, Mapping

from gateway.http.wire import header_name


class HeaderMapping(Mapping[str, str]):
    """The headers of a request, whatever the case of a name; lines of one name are joined (RFC 9110, 5.3)."""

    def __init__(self, headers: Mapping[str, str | list[str]]) -> None:
        self._headers = {name: v if isinstance(v, str) else ", ".join(v) for name, v in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[header_name(name.encode("latin-1", "replace"))]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)
