"""What tornado says of a request that failed: under its id, without its query."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from tornado import httputil, web

from gateway.arbiter.logging_handler import LoggingHandler
from gateway.records import log
from gateway.records.record import TEXT_LIMIT


def log_failure(error: Exception, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What is in the log after a request with a secret in its query has raised `error`."""
    pieces: list[str] = []
    monkeypatch.setattr(log, "write", pieces.append)
    connection: Any = Mock()
    start = httputil.RequestStartLine("GET", "/x?token=hidden", "HTTP/1.1")
    request = httputil.HTTPServerRequest(
        start_line=start, headers=httputil.HTTPHeaders({"Host": "x", **headers}), connection=connection
    )

    async def fail() -> None:
        try:
            raise error
        except Exception as raised:
            LoggingHandler(web.Application(), request).log_exception(type(raised), raised, raised.__traceback__)

    asyncio.run(fail())
    return "".join(pieces)


def test_each_line_has_the_requests_id_and_none_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    text = log_failure(ValueError("a\n[another] forged"), {"X-Request-Id": "mine"}, monkeypatch)

    assert all(line.startswith("[mine] ") for line in text.splitlines())
    assert "[mine] ValueError: a\n[mine] [another] forged\n" in text
    assert "hidden" not in text


def test_what_tornado_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = log_failure(web.HTTPError(400, "no such %s", "thing"), {}, monkeypatch)

    assert text == "[-] HTTP 400: Bad Request (no such thing)\n"


def test_a_long_one_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(log_failure(ValueError("x" * 1_000_000), {}, monkeypatch)) < TEXT_LIMIT + 100
