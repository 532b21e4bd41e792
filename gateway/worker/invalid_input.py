"""The response to a request whose parameters do not fit: a 422 in the form that Hasura passes on."""

from typing import Any

from pydantic import ValidationError

from gateway.http.wire import RejectedRequest

MAX_IN_MESSAGE, MAX_ERRORS = 3, 50
LONGEST = 1000  # characters of a name or a message
TOO_MANY_ERRORS = 20_000  # each takes 5 µs to read, and pydantic gives them only all at once


class InvalidInput(RejectedRequest):
    """A request that cannot be validated."""

    def __init__(self, errors: list[dict[str, Any]], hint: str = "", count: int = 0) -> None:
        """`errors` are the first of `count`: {"loc": ["items", 0, "price"], "message", "type"}."""
        shown = errors[:MAX_IN_MESSAGE]
        lines = [f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['message']}" for error in shown]
        if (rest := max(count, len(errors)) - len(shown)) > 0:
            lines.append(f"and {rest:,} more" if shown else f"{rest:,} values do not fit, too many to name them")
        message = "; ".join(lines)
        text = f"{message}. {hint}" if hint else message
        super().__init__(422, "invalid-input", text, {"errors": errors[:MAX_ERRORS]})


def from_validation(error: ValidationError, hint: str = "", prefix: list[str] | None = None) -> InvalidInput:
    """As a response to the caller, without the values that were sent."""
    count = error.error_count()
    if count > TOO_MANY_ERRORS:
        return InvalidInput([], hint, count)
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [
        {"loc": [*(prefix or []), *map(_cut, each["loc"])], "message": _cut(each["msg"]), "type": each["type"]}
        for each in found[:MAX_ERRORS]
    ]
    return InvalidInput(errors, hint, count)


def _cut(part: Any) -> Any:
    """A text that may be the caller's, such as the key of a dictionary, in a length that can be sent back."""
    return f"{part[:LONGEST]}…" if isinstance(part, str) and len(part) > LONGEST else part
