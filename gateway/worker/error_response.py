"""Turns exceptions of cells into error responses, and into tracebacks in Jupyter's form for the log."""

import json
import os
import traceback
from http import HTTPStatus
from types import TracebackType
from typing import Any

from IPython.core.ultratb import FormattedTB

from gateway.http.request import Request
from gateway.http.response import Response, json_error
from gateway.http.response_info import BadResponseInfo
from gateway.records import log
from gateway.records.record import Excerpt
from gateway.worker import flask_compat
from gateway.worker.output import OutputTooLong

_GATEWAY = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - in the form that code objects have
_LONGEST_MESSAGE = 10_000
_CODES = {OutputTooLong: "output-too-long", BadResponseInfo: "bad-response-info"}


class ErrorResponses:
    """Makes and logs error responses. With `show_traceback` clients get the traceback too."""

    def __init__(self, show_traceback: bool) -> None:
        self._show_traceback = show_traceback
        formatter: Any = FormattedTB
        self._formatter = formatter(mode="Context", theme_name="nocolor", tb_offset=0)

    def from_exception(self, error: BaseException, request: Request, files: frozenset[str]) -> Response:
        """The response to `error`, raised by a cell in one of `files`; the traceback is logged.

        An HTTPException is a response that the cell chose, so nothing is logged for it.
        """
        response = flask_compat.from_http_exception(error, request)
        if response is None:
            code = _CODES.get(type(error))
            message = _message(error) if code else f"{type(error).__name__}: {_message(error)}"
            trace = message if code else self._traceback(error, files)
            response = json_error(HTTPStatus.INTERNAL_SERVER_ERROR, code or "cell-failed", message, request)
            self._report(response, trace, request)
        response.error = {"type": type(error).__name__, "message": _message(error), "status": response.status}
        return response

    def from_time_limit(
        self, error: BaseException, request: Request, files: frozenset[str], limit_s: float
    ) -> Response:
        """The response to a cell that ran longer than `limit_s`; where it was interrupted is logged."""
        message = f"the cell ran longer than {limit_s:g} s"
        response = json_error(HTTPStatus.GATEWAY_TIMEOUT, "timeout", message, request)
        self._report(response, self._traceback(error, files) if error.__traceback__ else message, request)
        return response

    def from_slow_decoding(self, request: Request, limit_s: float, causes: str) -> Response:
        """The response to a request whose decoding alone took longer than `limit_s`."""
        message = f"the request could not be decoded within {limit_s:g} s: {causes}"
        response = json_error(HTTPStatus.GATEWAY_TIMEOUT, "timeout", message, request)
        self._report(response, message, request)
        return response

    def _report(self, response: Response, trace: str, request: Request) -> None:
        response.traceback = trace
        excerpt = Excerpt.tail(trace).render()  # it may quote data of the client, of any length
        log.write_lines(request.request_id, excerpt)
        if self._show_traceback:
            body = json.loads(response.body)
            body["extensions"]["traceback"] = excerpt.splitlines()
            response.body = json.dumps(body).encode()

    def _traceback(self, error: BaseException, files: frozenset[str]) -> str:
        frames = _trim(error.__traceback__, files)
        if not isinstance(error, BaseExceptionGroup):  # IPython cannot format those
            try:
                parts: list[Any] = self._formatter.structured_traceback(type(error), error, frames)
                return "\n".join(parts)
            except Exception:  # noqa: S110 - it calls the cell's __repr__ and __str__
                pass
        return "".join(traceback.format_exception(type(error), error, frames))


def _trim(frames: TracebackType | None, files: frozenset[str]) -> TracebackType | None:
    """The traceback from the first frame of a cell on, without frames of the gateway at either end."""
    links = []
    while frames is not None:
        links.append(frames)
        frames = frames.tb_next
    names = [link.tb_frame.f_code.co_filename for link in links]
    ours = next((n for n, name in enumerate(names) if not name.startswith(_GATEWAY)), 0)
    # A validator of another cell is called before any code of this one.
    links = links[next((n for n, name in enumerate(names) if name in files), ours) :]
    while len(links) > 1 and links[-1].tb_frame.f_code.co_filename.startswith(_GATEWAY):
        links.pop()
    chain: TracebackType | None = None
    for link in reversed(links):
        # None where the time limit struck in bytecode that belongs to no line.
        line = link.tb_lineno or link.tb_frame.f_code.co_firstlineno
        chain = TracebackType(chain, link.tb_frame, link.tb_lasti, line)
    return chain


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_LONGEST_MESSAGE]
    except Exception as another:
        return f"(its __str__ raised {type(another).__name__})"
