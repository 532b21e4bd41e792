"""The operations of an OpenAPI 3.1 document that are functions of the notebook (`x-function`)."""

import itertools
import json
import re
import unicodedata
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from control.tools.schema import Schema, Schemas, without_null

JSON = "application/json"
BINARY = "application/octet-stream"
MULTIPART = "multipart/form-data"
FORMS = (MULTIPART, "application/x-www-form-urlencoded")
MAX_NAME = 60  # OpenAI's models accept 64, others more; a number may follow
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Body:
    """A request's body. `fields`: the object's properties are arguments; otherwise the whole body is one, `body`."""

    media: str
    schema: Schema
    is_required: bool
    fields: Mapping[str, Schema] | None

    @property
    def is_binary(self) -> bool:
        return self.media != JSON and not self.media.startswith("text/")


@dataclass(frozen=True)
class Operation:
    """A function. `path` is the template with its prefix, such as `/invoke/items/{id}`."""

    name: str
    method: str
    path: str
    description: str
    parameters: list[dict[str, Any]]  # OpenAPI's parameter objects
    body: Body | None
    output: Schema | None  # of a response that is a JSON object
    schemas: Schemas

    def names(self, place: str) -> list[str]:
        """The parameters in the `path` or in the `query`."""
        return [parameter["name"] for parameter in self.parameters if parameter["in"] == place]


def read_operations(document: bytes) -> dict[str, Operation]:
    """By their tools' names, in the document's order. Raises ValueError if it is no JSON."""
    content = json.loads(document)
    prefix = content.get("servers", [{}])[0].get("url", "")
    schemas = Schemas(content.get("components", {}).get("schemas", {}))
    operations: dict[str, Operation] = {}
    for each in _read_paths(content.get("paths", {}), prefix, schemas):
        name = _to_name(each.name, operations)
        operations[name] = replace(each, name=name)
    return operations


def _to_name(function: str, taken: Container[str]) -> str:
    """A name that language models accept, which is the function's unless that is long or not ASCII.

    One that they refuse would keep an agent from all tools.
    """
    plain = unicodedata.normalize("NFKD", function).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_-]", "_", plain)[:MAX_NAME].strip("_" if plain != function else "") or "function"
    candidates = (f"{name}_{number}" for number in itertools.count(2))
    return name if name not in taken else next(each for each in candidates if each not in taken)


def _read_paths(paths: Mapping[str, Any], prefix: str, schemas: Schemas) -> Iterator[Operation]:
    for path, item in paths.items():
        for method in METHODS:
            operation = item.get(method, {})
            if "x-function" in operation:
                yield _read(operation, method.upper(), prefix + path, schemas)


def _read(operation: Mapping[str, Any], method: str, path: str, schemas: Schemas) -> Operation:
    parameters = operation.get("parameters", [])
    summary, text = operation.get("summary", ""), operation.get("description", "")
    return Operation(
        name=operation["operationId"],
        method=method,
        path=path,
        description=text if text.startswith(summary) else f"{summary}\n\n{text}".strip(),
        parameters=parameters,
        body=_read_body(operation.get("requestBody"), {each["name"] for each in parameters}, schemas),
        output=_read_output(operation.get("responses", {}).get("200", {}), schemas),
        schemas=schemas,
    )


def _read_body(body: Mapping[str, Any] | None, names: set[str], schemas: Schemas) -> Body | None:
    """Its fields are arguments, unless one has the name of a parameter."""
    if not body:
        return None
    media = JSON if JSON in body["content"] else next(iter(body["content"]))
    schema = without_null(body["content"][media].get("schema", {}))
    media = BINARY if media == "*/*" else media  # the function takes bytes
    whole = schemas.resolve(schema)
    has_fields = whole.get("type") == "object" and ("properties" in whole or "additionalProperties" in whole)
    fields = whole.get("properties", {}) if has_fields and (media == JSON or media in FORMS) else None
    return Body(media, schema, body.get("required", False), None if names & set(fields or ()) else fields)


def _read_output(response: Mapping[str, Any], schemas: Schemas) -> Schema | None:
    schema: Schema = response.get("content", {}).get(JSON, {}).get("schema", {})
    return schema if schemas.resolve(schema).get("type") == "object" else None
