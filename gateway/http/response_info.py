"""What a ResponseInfo cell says: {"status": 201, "headers": {"Content-Type": "application/json"}}.

Header values are strings or whole numbers, or a list of them for a header that comes more than once.
"""

import json
from functools import lru_cache
from typing import Any

from gateway.http.response import CONTROL, FRAMING, HEADER_NAME, Response
from gateway.http.wire import replace
from gateway.protocol.messages import Cell

ResponseInfo = tuple[int | None, tuple[tuple[str, tuple[str, ...]], ...]]

_REMEMBERED_BYTES = 1024


class BadResponseInfo(Exception):
    """A ResponseInfo cell did not say what it must; the message names the cell."""


def apply(said: bytes, answer: Response, cells: tuple[Cell, ...]) -> None:
    """Set on `answer` what the `cells` said. BadResponseInfo: it is not what they may say."""
    try:
        # Most cells say the same each time.
        status, headers = (_read_again if len(said) <= _REMEMBERED_BYTES else read)(said)
    except ValueError as error:
        raise _bad(cells, str(error)) from None
    if status is not None:
        answer.status = status
    for name, values in headers:
        answer.headers = replace(answer.headers, name, values)


def read(said: bytes) -> ResponseInfo:
    """The status, if there is one, and the headers. ValueError: what is wrong, as the end of a sentence."""
    try:
        info = json.loads(said)
    except json.JSONDecodeError:
        raise ValueError(f"must print JSON, not {said[:80].decode(errors='replace')!r}") from None
    if not isinstance(info, dict):
        raise ValueError(f"must print a JSON object, not {said[:80].decode(errors='replace')!r}")
    return (_status(info["status"]) if "status" in info else None), _headers(info.get("headers", {}))


_read_again = lru_cache(maxsize=64)(read)


def _bad(cells: tuple[Cell, ...], complaint: str) -> BadResponseInfo:
    numbers = ", ".join(str(cell.number) for cell in cells)
    return BadResponseInfo(f"the ResponseInfo in cell {numbers} {complaint}")


def _status(status: Any) -> int:
    # 1xx announces a response that is still to come.
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
    kept = [(name, values) for name, values in lines.items() if name.lower() not in FRAMING]
    return tuple((name, tuple(str(value) for value in values)) for name, values in kept)
