"""An OpenAI-compatible server that checks what the official client sends, and can be made to fail."""

import base64
import hashlib
import json
import math
import re
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

API_KEY = "the-openai-key-of-the-tests"
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
ROLES = {"system", "developer", "user", "assistant", "tool"}
Mode = Literal["well", "rate_limited", "refusing", "slow", "broken", "elsewhere"]


@dataclass
class ReceivedRequest:
    """What a client sent: header names in lower case."""

    path: str
    headers: dict[str, str]
    body: Any


class OpenAIServer:
    """Serves /v1/chat/completions and /v1/embeddings on a loopback port; use it as a context manager.

    `reply` makes what the assistant says of a request's body: a text, or a dictionary. That is a tool call,
    `{"name", "arguments"}`, where the request offers tools, and else the structured output.

    `mode` may be set at any time: `rate_limited` answers 429 with `retry_after` (seconds), `refusing` 400 as for a text
    that is too long, `slow` holds each answer until the mode changes or the server stops, `broken` breaks off in the
    middle of the JSON, `elsewhere` is not OpenAI's at all: it answers any path with a page. `api_key` may be changed
    too, as one that is revoked.
    """

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.reply: Callable[[dict[str, Any]], str | dict[str, Any]] = echo
        self.retry_after = 1
        self.api_key = API_KEY
        self._mode: Mode = "well"
        self._gate = threading.Event()
        application = Request.application(lambda request: self._answer(request))
        self._server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}/v1"

    def __enter__(self) -> "OpenAIServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._gate.set()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        old_gate, self._gate = self._gate, threading.Event()
        old_gate.set()

    def bodies_sent_to(self, path: str) -> list[Any]:
        """The bodies that came to a path below /v1."""
        return [request.body for request in self.requests if request.path == f"/v1{path}"]

    def _answer(self, request: Request) -> Response:
        body = request.get_json(silent=True)
        headers = {name.lower(): value for name, value in request.headers}
        self.requests.append(ReceivedRequest(request.path, headers, body))
        gate, mode = self._gate, self._mode
        if mode == "slow":
            gate.wait()
        if mode == "elsewhere":
            return Response("<!doctype html><title>Welcome</title>", content_type="text/html")
        try:
            _check_key(headers.get("authorization", ""), self.api_key)
            if mode == "rate_limited":
                raise Refusal(429, "Rate limit reached for requests", code="rate_limit_exceeded", kind="requests")
            if mode == "refusing":
                raise Refusal(400, "The text exceeds the maximum context length.", code="context_length_exceeded")
            text = json.dumps(self._result(request, body))
        except Refusal as refusal:
            return self._error(refusal)
        return Response(text[: len(text) // 2] if mode == "broken" else text, content_type="application/json")

    def _result(self, request: Request, body: Any) -> dict[str, Any]:
        answers = {"/v1/embeddings": _embeddings, "/v1/chat/completions": partial(_completion, reply=self.reply)}
        if request.path not in answers or request.method != "POST":
            raise Refusal(404, f"Invalid URL ({request.method} {request.path})")
        if not isinstance(body, dict):
            raise Refusal(400, "We could not parse the JSON body of your request.")
        return answers[request.path](body)

    def _error(self, refusal: "Refusal") -> Response:
        headers = {"Retry-After": str(self.retry_after)} if refusal.status == 429 else {}
        return Response(json.dumps({"error": refusal.error}), refusal.status, headers, content_type="application/json")


class Refusal(Exception):
    """An answer in the form of OpenAI's errors."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}


def echo(body: dict[str, Any]) -> str:
    """A reply that holds all that the model was told."""
    return "I was told: " + " | ".join(str(message.get("content")) for message in body["messages"])


def embed(text: str, dimensions: int = 1536) -> list[float]:
    """A unit vector that counts the words of a text, so that texts with words in common are near.

    Short words are left out: what "a" and "the" have in common is no meaning.
    """
    vector = [0.0] * dimensions
    for word in re.findall(r"\w{4,}", text.lower()) or [""]:
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]) % dimensions] += 1
    length = math.hypot(*vector)
    return [value / length for value in vector]


def _check_key(authorization: str, key: str) -> None:
    if not authorization.startswith("Bearer "):
        raise Refusal(401, "You didn't provide an API key.")
    if authorization != f"Bearer {key}":
        raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")


def _model(body: dict[str, Any], models: set[str]) -> str:
    model = body.get("model")
    if not isinstance(model, str):
        raise Refusal(400, "you must provide a model parameter", "model")
    if model not in models:
        raise Refusal(
            404, f"The model `{model}` does not exist or you do not have access to it.", None, "model_not_found"
        )
    return model


def _require(condition: object, param: str) -> None:
    if not condition:
        raise Refusal(400, f"Invalid value for '{param}'.", param, "invalid_value")


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    model = _model(body, set(DIMENSIONS))
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    _require(isinstance(texts, list) and texts and all(isinstance(text, str) and text for text in texts), "input")
    dimensions = body.get("dimensions", DIMENSIONS[model])
    _require(isinstance(dimensions, int) and 1 <= dimensions <= DIMENSIONS[model], "dimensions")
    encoding = body.get("encoding_format", "float")
    _require(encoding in {"float", "base64"}, "encoding_format")
    vectors = [embed(text, dimensions) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if encoding == "base64" else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _completion(body: dict[str, Any], reply: Callable[[dict[str, Any]], str | dict[str, Any]]) -> dict[str, Any]:
    from openai.types import ChatModel  # half a second, which each process that collects the tests would take

    model = _model(body, set(get_args(ChatModel)))
    messages = body.get("messages")
    _require(isinstance(messages, list) and messages, "messages")
    for number, message in enumerate(messages or []):
        _require(isinstance(message, dict) and message.get("role") in ROLES, f"messages[{number}].role")
        content = message.get("content")
        _require(isinstance(content, str | list) or message.get("tool_calls"), f"messages[{number}].content")
    _require(not body.get("stream"), "stream")  # nobody here asks for it
    message, reason = _message(reply(body), body.get("tools"))
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    completion = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": model}
    return {**completion, "choices": [choice], "usage": usage}


def _message(reply: str | dict[str, Any], tools: list[dict[str, Any]] | None) -> tuple[dict[str, Any], str]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(reply, str) or not tools:
        return {**message, "content": reply if isinstance(reply, str) else json.dumps(reply)}, "stop"
    tool_names = {tool["function"]["name"] for tool in tools}
    assert reply["name"] in tool_names, f"the test's reply calls {reply['name']!r}, but the client offers {tool_names}"
    function = {"name": reply["name"], "arguments": json.dumps(reply["arguments"])}
    return {**message, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}, "tool_calls"


class _Quiet(WSGIRequestHandler):
    """No line on stderr for each request."""

    def log(self, *_: Any) -> None:
        pass
