"""The part of Weaviate's REST API that product_search uses; it checks what is sent, and finds by `near_text`."""

import json
import threading
import uuid
from typing import Any

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.openai_server import embed

API_KEY = "the-weaviate-key-of-the-tests"
VECTORIZER = "text2vec-openai"
TYPES: dict[str, type | tuple[type, ...]] = {"text": str, "number": (int, float), "int": int, "boolean": bool}


class WeaviateServer:
    """Serves /v1/schema and /v1/batch/objects on a loopback port; use it as a context manager.

    `openai_key`: the key with which objects can be embedded. Weaviate takes it from each request. It may be changed at
    any time, as one that is revoked.
    """

    def __init__(self, openai_key: str) -> None:
        self.classes: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.openai_key = openai_key
        application = Request.application(lambda request: self._answer(request))
        self._server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> "WeaviateServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def near_text(self, name: str, text: str, limit: int) -> list[dict[str, Any]]:
        """The properties of the objects nearest to a text, nearest first."""
        vector = embed(text)
        result = [thing for thing in self.objects.values() if thing["class"] == name]
        near = sorted(result, key=lambda thing: -sum(a * b for a, b in zip(vector, thing["vector"], strict=True)))
        return [thing["properties"] for thing in near[:limit]]

    def _answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return _problem(401, "anonymous access not enabled, please provide an API key")
        match request.method, request.path.removeprefix("/v1/").split("/"):
            case "GET", ["schema", name]:
                return _json(self.classes[name]) if name in self.classes else Response(status=404)
            case "POST", ["schema"]:
                return self._create(request.get_json())
            case "POST", ["batch", "objects"]:
                key = request.headers.get("X-OpenAI-Api-Key")
                return _json([self.store(thing, key) for thing in request.get_json()["objects"]])
        return _problem(404, f"path {request.path} was not found")

    def _create(self, definition: dict[str, Any]) -> Response:
        name, properties = definition["class"], definition["properties"]
        if not name[:1].isupper():
            return _problem(422, f"'{name}' is not a valid class name")
        if name in self.classes:
            return _problem(422, f"class name {name} already exists")
        if definition["vectorizer"] != VECTORIZER or set(definition["moduleConfig"]) != {VECTORIZER}:
            return _problem(422, "vectorizer: no module found for it")
        if unknown := [kind for result in properties for kind in result["dataType"] if kind not in TYPES]:
            return _problem(422, f"unknown data types {unknown}")
        self.classes[name] = definition
        return _json(definition)

    def store(self, thing: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Store an object, or replace the one with its id; the result says whether that was done."""
        problem = self._problem_of(thing, key)
        if problem:
            return {**thing, "result": {"status": "FAILED", "errors": {"error": [{"message": problem}]}}}
        self.objects[thing["id"]] = {**thing, "vector": embed(self._text(thing))}
        return {**thing, "result": {"status": "SUCCESS"}}

    def _problem_of(self, thing: dict[str, Any], key: str | None) -> str | None:
        if thing.get("class") not in self.classes:
            return f"class {thing.get('class')} not found in schema"
        kinds = self._kinds(thing["class"])
        uuid.UUID(thing["id"])
        for name, value in thing["properties"].items():
            if name not in kinds or not isinstance(value, TYPES[kinds[name]]):
                return f"invalid property '{name}'"
        return None if key == self.openai_key else "connection to OpenAI failed with status: 401"

    def _kinds(self, name: str) -> dict[str, str]:
        return {result["name"]: result["dataType"][0] for result in self.classes[name]["properties"]}

    def _text(self, thing: dict[str, Any]) -> str:
        """What the module embeds: the texts, but for those of properties that are to be skipped."""
        properties = self.classes[thing["class"]]["properties"]
        skips = {p["name"] for p in properties if p.get("moduleConfig", {}).get(VECTORIZER, {}).get("skip")}
        kinds = self._kinds(thing["class"])
        return " ".join(v for name, v in thing["properties"].items() if kinds[name] == "text" and name not in skips)


def _problem(status: int, message: str) -> Response:
    return Response(json.dumps({"error": [{"message": message}]}), status, content_type="application/json")


def _json(value: Any) -> Response:
    return Response(json.dumps(value), content_type="application/json")


class _Quiet(WSGIRequestHandler):
    """No line on stderr for each request."""

    def log(self, *_: Any) -> None:
        pass
