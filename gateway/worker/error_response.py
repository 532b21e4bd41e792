"""An exception to an answer for the caller, and a traceback as Jupyter shows it for the log."""

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

_OURS = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - as it stands in code objects
_LONGEST_MESSAGE = 10_000
_CODES = {OutputTooLong: "output-too-long", BadResponseInfo: "bad-response-info"}


class ErrorResponses:
    """Answers for what cells raise. With `show_traceback` the caller sees the traceback too."""

    def __init__(self, show_traceback: bool) -> None:
        self._show = show_traceback
        formatter: Any = FormattedTB
        self._formatter = formatter(mode="Context", theme_name="nocolor", tb_offset=0)

    def answer(self, error: BaseException, request: Request, files: frozenset[str]) -> Response:
        """The answer to `error`, raised by a cell in one of `files`; why goes to the log.

        An HTTPException is how a cell says what to answer, so there is nothing to log.
        """
        answer = flask_compat.aborted(error, request)
        if answer is None:
            code = _CODES.get(type(error))
            message = _text(error) if code else f"{type(error).__name__}: {_text(error)}"
            trace = message if code else self._traceback(error, files)
            answer = json_error(HTTPStatus.INTERNAL_SERVER_ERROR, code or "cell-failed", message, request)
            self._report(answer, trace, request)
        answer.error = {"type": type(error).__name__, "message": _text(error), "status": answer.status}
        return answer

    def overdue(self, error: BaseException, request: Request, files: frozenset[str], limit_s: float) -> Response:
        """The answer to a cell that ran longer than `limit_s`, and in the log where it was by then."""
        message = f"the cell ran longer than {limit_s:g} s"
        answer = json_error(HTTPStatus.GATEWAY_TIMEOUT, "timeout", message, request)
        trace = self._traceback(error, files) if error.__traceback__ else message
        self._report(answer, trace, request)
        return answer

    def _report(self, answer: Response, trace: str, request: Request) -> None:
        answer.traceback = trace
        # A caller's own text may be in it, of any length.
        shown = Excerpt.tail(trace).render()
        log.write_lines(request.request_id, shown)
        if self._show:
            body = json.loads(answer.body)
            body["extensions"]["traceback"] = shown.splitlines()
            answer.body = json.dumps(body).encode()

    def _traceback(self, error: BaseException, files: frozenset[str]) -> str:
        frames = _of_cells(error.__traceback__, files)
        if not isinstance(error, BaseExceptionGroup):  # IPython cannot show those
            try:
                parts: list[Any] = self._formatter.structured_traceback(type(error), error, frames)
                return "\n".join(parts)
            except Exception:  # noqa: S110 - it runs the cell's __repr__ and __str__
                pass
        return "".join(traceback.format_exception(type(error), error, frames))


def _of_cells(frames: TracebackType | None, files: frozenset[str]) -> TracebackType | None:
    """The traceback from the first frame of a cell on, without ours: what led there, or ended it, is no news."""
    links = []
    while frames is not None:
        links.append(frames)
        frames = frames.tb_next
    first = next((n for n, link in enumerate(links) if link.tb_frame.f_code.co_filename in files), 0)
    links = links[first:]
    while len(links) > 1 and links[-1].tb_frame.f_code.co_filename.startswith(_OURS):
        links.pop()
    shown: TracebackType | None = None
    for link in reversed(links):
        shown = TracebackType(shown, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return shown


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_LONGEST_MESSAGE]
    except Exception as another:
        return f"(its __str__ raised {type(another).__name__})"
