"""Calls of the served API by this program, on the socket that nginx uses: a bounded answer, or why there is none."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager


class NoResponse(Exception):
    """The call got no answer; the text says why."""


@contextmanager
def translate_errors(timeout: float) -> Iterator[None]:
    """Raises NoAnswer for whatever ends the call within; `timeout` is that of its connection, in seconds."""
    try:
        yield
    except TimeoutError:
        raise NoResponse(f"There was no answer within {timeout:g} s (REQUEST_TIMEOUT).") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoResponse("Nothing is being served. Start the API first.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        raise NoResponse(f"The API ended the call without an answer ({why}). Its log tells why.") from None


def read(response: http.client.HTTPResponse, most: int, deadline: float) -> tuple[bytes, int]:
    """The first `most` bytes of a body and the size of all of it.

    TimeoutError: it goes on beyond `deadline` (seconds of time.perf_counter).
    """
    kept, size = b"", 0
    while chunk := response.read(65536):
        kept += chunk[: most - len(kept)]
        size += len(chunk)
        if time.perf_counter() > deadline:
            raise TimeoutError
    return kept, size
