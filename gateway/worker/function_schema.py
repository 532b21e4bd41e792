"""Describes functions for the OpenAPI document: JSON Schemas of what they take and return.

JSON Schema 2020-12, as OpenAPI 3.1 has it (https://spec.openapis.org/oas/v3.1.1#schema-object).
"""

import copy
import inspect
import typing
import warnings
from collections.abc import Sequence
from typing import Any, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit, core_schema

from gateway.http.body import MULTIPART
from gateway.records import log
from gateway.worker import type_hints
from gateway.worker.function_endpoint import FunctionEndpoint
from gateway.worker.value_response import EVENTS, JSON

TEXT = "text/plain"
_STREAMS = frozenset(getattr(typing, name) for name in ("Generator", "Iterator", "AsyncGenerator", "AsyncIterator"))
_STREAM_TYPES = frozenset(get_origin(kind) for kind in _STREAMS)

Schema = dict[str, Any]


class _Schemas(GenerateJsonSchema):
    """What has no JSON Schema may be anything: a description must not keep an API from being served."""

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        try:
            return super().generate_inner(schema)
        except PydanticOmit:  # by which pydantic leaves out a field
            raise
        except Exception as error:  # of the notebook's code, such as json_schema_extra or the text of a default value
            text = f"A type is not described in the OpenAPI document: {type(error).__name__}: {error}"
            log.write_lines(log.NO_REQUEST, text)
            return {}

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> JsonSchemaValue:
        return {}


def describe(endpoints: Sequence[Any]) -> dict[str, Any]:
    """{"functions": {"<index>": …}, "schemas": {name: schema}} of those endpoints that are functions.

    A function is {"name", "text": docstring, "path": {name: schema}, "query": [{"name", "required", "schema"}], "body":
    {"required", "content": {media type: {"schema"}}} or None, "responses": {status: {media type: {"schema"}}}}.
    """
    functions = [endpoint for endpoint in endpoints if isinstance(endpoint, FunctionEndpoint)]
    inputs: list[Any] = []
    for endpoint in functions:
        for part, adapter in _adapters(endpoint).items():
            mode = "serialization" if part == "returns" else "validation"
            inputs.append(((endpoint.index, part), mode, adapter))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of defaults that cannot be written as JSON
        found, general = TypeAdapter.json_schemas(
            inputs, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
        )
    schemas: Schema = general.get("$defs", {})
    parts: dict[int, dict[str, Schema]] = {endpoint.index: {} for endpoint in functions}
    for (key, _), schema in found.items():
        index, part = typing.cast("tuple[int, str]", key)
        parts[index][part] = schema
    refs = {key: own["fields"]["$ref"].rpartition("/")[2] for key, own in parts.items() if "$ref" in own["fields"]}
    for key, name in refs.items():  # the types that were made for the parameters; those that are alike are one
        parts[key]["fields"] = copy.deepcopy(schemas[name])
    for name in set(refs.values()):
        del schemas[name]
    return {"functions": {str(e.index): _describe(e, parts[e.index]) for e in functions}, "schemas": schemas}


def _adapters(endpoint: FunctionEndpoint) -> dict[str, TypeAdapter[Any]]:
    binding = endpoint.binding
    adapters = {
        "fields": binding.fields,
        "whole": binding.whole,
        "rest": binding.rest,
        "body": binding.body,
        "returns": _returns(endpoint),
    }
    return {part: adapter for part, adapter in adapters.items() if adapter is not None}


def _returns(endpoint: FunctionEndpoint) -> TypeAdapter[Any] | None:
    """Of the value, unless it is a stream, or nothing that JSON can hold."""
    hint = endpoint.binding.parameters.returns
    kinds = {get_origin(variant) or variant for variant in type_hints.variants(hint)}
    if hint is inspect.Signature.empty or not kinds or kinds & (_STREAM_TYPES | {str, bytes}):
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.rebuild(raise_errors=True)
    except Exception:  # a figure, a flask.Response; an annotation may run any code
        return None
    return adapter


def _describe(endpoint: FunctionEndpoint, parts: dict[str, Schema]) -> dict[str, Any]:
    parameters = endpoint.binding.parameters
    properties: Schema = parts["fields"].get("properties", {})
    required = set(parts["fields"].get("required", ()))
    in_path = [alias for name, alias in parameters.names.items() if name in parameters.path]
    path = {name: properties.pop(name, {}) for name in in_path}
    query = []
    if not parameters.has_body or "body" in parameters.special:  # a body that is one value has no fields
        query = [_query(name, name in required, _without_null(each)) for name, each in properties.items()]
        properties = {}
    return {
        "name": endpoint.name,
        "text": inspect.getdoc(endpoint.function) or "",
        "path": path,
        "query": query,
        "body": _body(endpoint, parts, properties, required) if parameters.has_body else None,
        "responses": _responses(endpoint, parts),
    }


def _query(name: str, is_required: bool, schema: Schema) -> dict[str, Any]:
    return {"name": name, "required": is_required, "schema": schema}


def _body(endpoint: FunctionEndpoint, parts: dict[str, Schema], properties: Schema, required: set[str]) -> Any:
    parameters = endpoint.binding.parameters
    if parameters.whole:
        is_required = endpoint.binding.whole is not None and endpoint.binding.whole.get_default_value() is None
        return _content(MULTIPART if parameters.files else JSON, parts["whole"], is_required)
    if properties or parameters.rest is not None:
        names = [name for name in properties if name in required]
        schema = {"type": "object", "properties": properties, **({"required": names} if names else {})}
        if rest := parts.get("rest", {}).get("additionalProperties"):
            schema["additionalProperties"] = rest
        if parameters.takes_files:  # a part's name is in its header
            schema["properties"] = {name: _without_null(each) for name, each in properties.items()}
            return _content(MULTIPART, {**schema, "propertyNames": {"pattern": r"^[^\x00-\x1f\x7f]+$"}}, bool(names))
        return _content(JSON, schema, bool(names))
    if "body" in parameters.special:
        if parameters.hints.get("body") is bytes:
            return _content("*/*", {}, False)
        return _content(JSON, parts.get("body", {}), endpoint.binding.needs_body)
    return None


def _without_null(schema: Schema) -> Schema:
    """The schema of a value that a form or a query has as text, where null is the lack of one."""
    variants = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if not variants or len(variants) == len(schema["anyOf"]):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**rest, **(variants[0] if len(variants) == 1 else {"anyOf": variants})}


def _content(media: str, schema: Schema, is_required: bool) -> dict[str, Any]:
    return {"required": is_required, "content": {media: {"schema": schema}}}


def _responses(endpoint: FunctionEndpoint, parts: dict[str, Schema]) -> dict[str, Any]:
    """{status: {media type: {"schema"}}}, by the annotation of the value; without one it may be anything."""
    hint = endpoint.binding.parameters.returns
    kinds = {get_origin(variant) or variant for variant in type_hints.variants(hint)}
    if hint is inspect.Signature.empty:
        return {"200": {}}
    responses: dict[str, Any] = {}
    if kinds & _STREAM_TYPES:
        responses["200"] = {media: {"schema": {"type": "string"}} for media in (TEXT, EVENTS)}
    elif "returns" in parts and tuple not in kinds:
        responses["200"] = {JSON: {"schema": parts["returns"]}}
    elif str in kinds and len(kinds) == 1:
        responses["200"] = {TEXT: {"schema": {"type": "string"}}}
    elif bytes in kinds and len(kinds) == 1:
        responses["200"] = {"application/octet-stream": {}}
    elif tuple in kinds:  # it may have a status
        responses["2XX"] = {}
    elif kinds:
        responses["200"] = {}
    if hint in (None, type(None)) or type(None) in typing.get_args(hint):
        responses["204"] = {}
    return responses
