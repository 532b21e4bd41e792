"""JSON Schemas of an OpenAPI document, made independent of it."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
COMPONENTS = "#/components/schemas/"
DEFINITIONS = "#/$defs/"
BINARY = {"type": "string", "contentEncoding": "base64"}


class Schemas:
    """The shared schemas of a document (`components.schemas`)."""

    def __init__(self, shared: Mapping[str, Schema]) -> None:
        self._shared = shared

    def resolve(self, schema: Schema) -> Schema:
        """What a reference refers to; any other schema itself."""
        seen: set[str] = set()
        while (name := schema.get("$ref", "").removeprefix(COMPONENTS)) in self._shared and name not in seen:
            seen.add(name)
            schema = self._shared[name]
        return schema

    def embed(self, schema: Schema) -> Schema:
        """The schema with all that it refers to in `$defs`: a tool's schema is read without the document."""
        names: dict[str, None] = {}
        waiting = list(_references(schema))
        while waiting:
            name = waiting.pop()
            if name in self._shared and name not in names:
                names[name] = None
                waiting += _references(self._shared[name])
        definitions = {name: _rewrite(self._shared[name]) for name in sorted(names)}
        return {**_rewrite(schema), **({"$defs": definitions} if definitions else {})}


def without_null(schema: Schema) -> Schema:
    """The schema of a value that may also be null; any other schema itself."""
    variants = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return variants[0] if len(variants) == 1 else schema


def is_file(schema: Schema) -> bool:
    """Bytes in a form (https://spec.openapis.org/oas/v3.1.1#considerations-for-file-uploads)."""
    kind = schema.get("format") == "binary" or "contentMediaType" in schema
    return kind or any(is_file(each) for each in schema.get("anyOf", ()))


def describe_file(schema: Schema) -> Schema:
    """A file as an agent sends it: text in base64. Also a list of files."""
    if schema.get("type") == "array" and is_file(schema.get("items", {})):
        return {**schema, "items": describe_file(schema["items"])}
    if not is_file(schema):
        return schema
    kept: Schema = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    return {**kept, **BINARY}


def _references(value: Any) -> Iterator[str]:
    """The names of the shared schemas in a schema."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(COMPONENTS):
            yield reference.removeprefix(COMPONENTS)
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _rewrite(value: Any) -> Any:
    """With references into `$defs`, also those of a `discriminator`'s mapping."""
    if isinstance(value, dict):
        return {name: _rewrite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rewrite(each) for each in value]
    if isinstance(value, str) and value.startswith(COMPONENTS):
        return DEFINITIONS + value.removeprefix(COMPONENTS)
    return value
