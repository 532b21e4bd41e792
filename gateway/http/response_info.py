"""Parses the output of ResponseInfo cells: {"status": 201, "headers": {"Content-Type": "application/json"}}.

Header values are strings or whole numbers, or a list of them for a header with several lines.
"""

import json
from functools import lru_cache
from typing import Any

from gateway.http.response import CONTROL, FRAMING, HEADER_NAME, Response
from gateway.http.wire import replace
from gateway.protocol.messages import Cell

ResponseInfo = tuple[int | None, tuple[tuple[str, tuple[str, ...]], ...]]

_CACHEABLE_BYTES = 1024


class BadResponseInfo(Exception):
    """The output of a ResponseInfo cell is invalid; the message names the cell."""


def apply(output: bytes, response: Response, cells: tuple[Cell, ...]) -> None:
    """Set status and headers of `response` from the `output` of `cells`. BadResponseInfo: it is invalid."""
    try:
        # Most cells print the same each time.
        status, headers = (_read_cached if len(output) <= _CACHEABLE_BYTES else read)(output)
    except ValueError as error:
        numbers = ", ".join(str(cell.number) for cell in cells)
        raise BadResponseInfo(f"the ResponseInfo in cell {numbers} {error}") from None
    if status is not None:
        response.status = status
    for name, values in headers:
        response.headers = replace(response.headers, name, values)


def read(output: bytes) -> ResponseInfo:
    """The status, None if it is not set, and the headers. ValueError: its message ends "the ResponseInfo …"."""
    try:
        info = json.loads(output)
    except (json.JSONDecodeError, RecursionError):  # nested too deeply
        raise ValueError(f"must print JSON, not {output[:80].decode(errors='replace')!r}") from None
    if not isinstance(info, dict):
        raise ValueError(f"must print a JSON object, not {output[:80].decode(errors='replace')!r}")
    return (_status(info["status"]) if "status" in info else None), _headers(info.get("headers", {}))


_read_cached = lru_cache(maxsize=64)(read)


def _status(status: Any) -> int:
    # 1xx is not a final response.
    if type(status) is not int or not 200 <= status <= 599:
        raise ValueError(f"must set a status from 200 to 599, not {status!r}")
    return status


def _headers(headers: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(headers, dict):
        raise ValueError(f"must set headers as an object, not {headers!r}")
    lines = {name: value if isinstance(value, list) else [value] for name, value in headers.items()}
    for name, values in lines.items():
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"sets a header with the name {name!r}")
        for value in values:
            if type(value) not in (str, int) or CONTROL.search(str(value)):
                raise ValueError(f"sets the header {name} to {value!r}")
    return tuple(
        (name, tuple(str(value) for value in values)) for name, values in lines.items() if name.lower() not in FRAMING
    )
