"""Builds the OpenAPI 3.1 document of a notebook (https://spec.openapis.org/oas/v3.1.1)."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.notebook import literals, openapi_components
from gateway.notebook.endpoint_docs import EndpointDoc, Key
from gateway.notebook.path_template import PathTemplate, UniqueNames
from gateway.protocol.messages import StaticText

PATH = "/_api/spec/openapi.json"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

TEXT = {"type": "string"}


@dataclass(frozen=True)
class Operation:
    """One endpoint: its method and path as annotated, and the source of its ResponseInfo cells, if any.

    `function` is what gateway.worker.function_schema says of it, if it is a function.
    """

    method: str
    path: str
    info: str = ""
    function: Mapping[str, Any] | None = None


def build(
    title: str,
    text: str,
    operations: Sequence[Operation],
    docs: Mapping[Key, EndpointDoc],
    schemas: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The document as JSON. `text` is Markdown about the whole API; `info.version` is a hash of the document.

    `schemas` are those that functions refer to.
    """
    info = {"title": title, **({"description": text} if text else {})}
    document = {
        "openapi": "3.1.1",
        "info": info,
        "servers": [{"url": "/invoke"}],
        "security": [{"basic": []}],
        "paths": _paths(operations, docs),
        "components": openapi_components.build(schemas),
    }
    version = hashlib.blake2s(json.dumps(document).encode(), digest_size=4).hexdigest()
    return json.dumps({**document, "info": {**info, "version": version}})


def serve(document: str, address: str) -> StaticText:
    """How a document is served: at the API's own address it names that one, in place of `/invoke`."""
    own = {**json.loads(document), "servers": [{"url": address}]}
    return StaticText("application/json", document, json.dumps(own))


def _paths(operations: Sequence[Operation], docs: Mapping[Key, EndpointDoc]) -> dict[str, dict[str, Any]]:
    """All paths in the notebook's order; those that differ only in names of parameters are one."""
    paths: dict[str, dict[str, Any]] = {}
    templates: dict[str, PathTemplate] = {}
    ids = UniqueNames()
    for operation in operations:
        own = PathTemplate.of(operation.path)
        template = templates.setdefault(own.shape, own)
        item, method = paths.setdefault(template.text, {}), operation.method.lower()
        if method in item:
            continue  # as in the router, the first of two equal ones wins
        words = "_".join([method, *re.findall(r"[A-Za-z0-9]+", template.text)])
        doc = docs.get((operation.method, operation.path), EndpointDoc())
        function = operation.function
        path_schemas = function["path"] if function else {}
        parameters = _path_parameters(template, own, doc.path, path_schemas)
        parameters += _typed_query(function["query"], doc.args) if function else _query_parameters(doc.args)
        name = ids.add(function["name"] if function else words)
        item[method] = {"operationId": name, **_operation(operation, doc, parameters)}
    return paths


def _operation(operation: Operation, doc: EndpointDoc, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    function = operation.function
    has_body = operation.method in WITH_BODY
    body = _typed_body(function, doc.example) if function else _request_body(doc.example) if has_body else None
    parts = {
        "x-function": function["name"] if function else None,
        "summary": doc.summary,
        "description": doc.description,
        "parameters": parameters,
        "requestBody": body,
        "responses": {
            **(_typed_responses(function) if function else _success(operation)),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    return {name: part for name, part in parts.items() if part}


def _path_parameters(
    template: PathTemplate, own: PathTemplate, example: Mapping[str, str], schemas: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The template's parameters; the example and the schemas have them under the endpoint's own names."""
    parameters = []
    for name, annotated in zip(template.names, own.annotated, strict=True):
        schema = schemas.get(annotated, {**TEXT, "minLength": 1})
        shown = {"example": example[annotated]} if annotated in example else _first_example(schema)
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema, **shown})
    return parameters


def _first_example(schema: Mapping[str, Any]) -> dict[str, Any]:
    """For the forms of viewers, which do not fill in a schema's own."""
    return {"example": schema["examples"][0]} if schema.get("examples") else {}


def _typed_query(query: Sequence[Mapping[str, Any]], example: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """A function's parameters, with the example's values."""
    parameters = []
    for each in query:
        values = example.get(each["name"], [])
        is_list = each["schema"].get("type") == "array"
        shown = {"example": values if is_list else values[0]} if values else _first_example(each["schema"])
        parameters.append({**each, "in": "query", **shown})
    return parameters


def _typed_body(function: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any] | None:
    body = function["body"]
    if body and "application/json" in body["content"] and example.get("body"):
        content = {"application/json": {**body["content"]["application/json"], "example": example["body"]}}
        return {**body, "content": content}
    return dict(body) if body else None


def _typed_responses(function: Mapping[str, Any]) -> dict[str, Any]:
    responses = {
        status: {"description": "Nothing." if status == "204" else "What the function returns.", **_content(content)}
        for status, content in function["responses"].items()
    }
    if function["path"] or function["query"] or function["body"]:
        responses["422"] = {"$ref": "#/components/responses/InvalidInput"}
    return responses


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": dict(content)} if content else {}


def _query_parameters(example: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Those of the example, as no others are known."""
    parameters = []
    for name, values in example.items():
        one = len(values) == 1
        schema = TEXT if one else {"type": "array", "items": TEXT}
        parameters.append({"name": name, "in": "query", "schema": schema, "example": values[0] if one else values})
    return parameters


def _request_body(example: Mapping[str, Any]) -> dict[str, Any]:
    """Any JSON, or text if the example is text."""
    body = example.get("body")
    if isinstance(body, str) and body:
        return {"content": {"text/plain": {"schema": TEXT, "example": body}}}
    example_field = {} if body in (None, "") else {"example": body}
    return {"content": {"application/json": {"schema": {}, **example_field}}}


def _success(operation: Operation) -> dict[str, Any]:
    """The response of a cell that does not fail, with its status and type if they are literals."""
    description = {"description": "What the cell prints."}
    if not operation.info:
        return {"200": description}
    try:
        info = literals.read_info(operation.info)
    except literals.NotALiteral:
        info = None
    if not isinstance(info, dict):
        return {"2XX": description}
    status = info.get("status", 200)
    headers = info.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    media = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    content: dict[str, Any] = {"content": {media.partition(";")[0].strip(): {}}} if isinstance(media, str) else {}
    return {str(status) if type(status) is int and 200 <= status <= 599 else "2XX": description | content}
