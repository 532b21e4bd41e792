"""The response to an exception of a cell."""

import pytest

from gateway.http.request import Request
from gateway.worker.error_response import ErrorResponses


def test_a_traceback_without_line_numbers_is_reported_too() -> None:
    code = compile("raise ValueError('x')", "cell", "exec")
    no_location = b"\xf8"  # of one code unit (two bytes), in CPython's table of locations
    code = code.replace(co_linetable=no_location * (len(code.co_code) // 2))
    with pytest.raises(ValueError, match="x") as info:
        exec(code)  # noqa: S102
    assert info.tb.tb_next is not None
    assert info.tb.tb_next.tb_lineno is None
    response = ErrorResponses(False).from_exception(info.value, Request("GET", b"/x", {}, b""), frozenset({"cell"}))
    assert response.error == {"type": "ValueError", "message": "x", "status": 500}
