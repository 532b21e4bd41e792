"""The result of a tool's call, from the API's response."""

import base64
import json
from http import HTTPStatus
from typing import Any

import mcp_types as types

from control.tools.api import Answer
from control.tools.operation import JSON, Operation

TEXTS = ("javascript", "xml", "yaml", "x-www-form-urlencoded")  # beside text/… and JSON


def to_result(answer: Answer, operation: Operation) -> types.CallToolResult:
    """An error's message reaches the agent as the result, so that it can correct its call."""
    media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return error(_message(answer))
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return text(f"Status {answer.status}. {answer.headers.get('Location', '')}".strip())
    value = _json(answer.body) if media == JSON or media.endswith("+json") else None
    if isinstance(value, dict):
        return types.CallToolResult(content=[_text(answer)], structured_content=value)
    if operation.output:  # clients reject a result without the promised object
        return error(f"The function returned no JSON object, as its annotation says, but {media or 'nothing'}.")
    return types.CallToolResult(content=[_content(answer, media, operation)])


def error(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)


def text(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)])


def _message(answer: Answer) -> str:
    """The `message` of an error (docs/engine.md), else the body's text."""
    value = _json(answer.body)
    if isinstance(value, dict) and value.get("message"):
        return str(value["message"])
    return answer.body.decode(errors="replace").strip() or f"The API responded with status {answer.status}."


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _content(answer: Answer, media: str, operation: Operation) -> types.ContentBlock:
    if not answer.body or media == JSON or media.startswith("text/") or media.endswith(("+json", *TEXTS)):
        return _text(answer)
    data = base64.b64encode(answer.body).decode()
    if media.startswith("image/"):
        return types.ImageContent(data=data, mime_type=media)
    if media.startswith("audio/"):
        return types.AudioContent(data=data, mime_type=media)
    uri = f"tool:{operation.name}"  # a resource must have one; it cannot be read again
    resource = types.BlobResourceContents(uri=uri, mime_type=media or "application/octet-stream", blob=data)
    return types.EmbeddedResource(resource=resource)


def _text(answer: Answer) -> types.TextContent:
    charset = answer.headers.get("Content-Type", "").lower().partition("charset=")[2].partition(";")[0].strip('" ')
    try:
        return types.TextContent(text=answer.body.decode(charset or "utf-8", errors="replace"))
    except LookupError:
        return types.TextContent(text=answer.body.decode(errors="replace"))
