"""Timeouts and errors of requests to a served API."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import IncompleteRead

from control.deployment import unix_http

EXTRA_TIMEOUT = 5  # seconds to wait beyond the API's own time limit


class NoResponse(Exception):
    """The text says why."""


@contextmanager
def translate_errors(project: str | None, timeout: float) -> Iterator[None]:
    """Raise NoResponse for whatever ends the request within; `timeout` is the request's, in seconds.

    Its `project` is None for the default one. Within, a link that is absent as nothing is served raises too.
    """
    try:
        yield
    except TimeoutError:
        raise NoResponse(f"No response arrived within {timeout:g} s (REQUEST_TIMEOUT).") from None
    except (FileNotFoundError, ConnectionRefusedError):
        absent = f"{project} is not being served. Start it" if project else "Nothing is being served. Start the API"
        raise NoResponse(f"{absent} first.") from None
    except IncompleteRead:
        raise NoResponse("The response broke off. The log of the API says why.") from None
    except (*unix_http.ERRORS, ValueError) as error:
        why = str(error) or type(error).__name__
        raise NoResponse(f"The API closed the connection without a response ({why}). See its log.") from None
