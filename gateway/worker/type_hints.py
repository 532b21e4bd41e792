"""Looks into annotations: whether one is a model, a list, a file."""

import dataclasses
import sys
import types
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import core_schema
from typing_extensions import is_typeddict

_SEQUENCES = (list, set, frozenset, tuple, Sequence, Collection)


def variants(hint: Any) -> Iterator[Any]:
    """The annotation without Annotated; each of a union, but for None."""
    if get_origin(hint) is Annotated:
        yield from variants(get_args(hint)[0])
    elif get_origin(hint) in (Union, types.UnionType):
        for each in get_args(hint):
            yield from variants(each)
    elif hint is not type(None):
        yield hint


def alias(hint: Any) -> str | None:
    """The name that `Field(alias=…)` gives to it in a request."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    names = [extra.validation_alias or extra.alias for extra in extras if isinstance(extra, FieldInfo)]
    return next((name for name in reversed(names) if isinstance(name, str)), None)


def is_model(hint: Any) -> bool:
    """Whether it is a model, a dataclass, a TypedDict, or a union of such."""
    kinds = [get_origin(variant) or variant for variant in variants(hint)]
    return bool(kinds) and all(isinstance(kind, type) and _is_model(kind) for kind in kinds)


def _is_model(kind: type) -> bool:
    return issubclass(kind, pydantic.BaseModel) or dataclasses.is_dataclass(kind) or is_typeddict(kind)


def fields(hint: Any) -> dict[str, Any]:
    """The annotations of a model's fields by their names in a request; of a union, of all its models."""
    found: dict[str, Any] = {}
    for variant in variants(hint):
        kind = get_origin(variant) or variant
        if issubclass(kind, pydantic.BaseModel):
            found.update({field.alias or name: field.annotation for name, field in kind.model_fields.items()})
        else:
            found.update(get_type_hints(kind))
    return found


def is_sequence(hint: Any) -> bool:
    return any((get_origin(variant) or variant) in _SEQUENCES for variant in variants(hint))


def contains(hint: Any, kind: Any) -> bool:
    """Whether it is `kind`, or a list or another generic of it."""
    return kind is not None and any(
        variant is kind or any(contains(each, kind) for each in get_args(variant)) for variant in variants(hint)
    )


def file_storage() -> Any:
    """werkzeug's class of uploaded files; None where nobody has imported it."""
    return getattr(sys.modules.get("werkzeug.datastructures"), "FileStorage", None)


def adopt_file_storage(hint: Any) -> None:
    """Teach pydantic werkzeug's class, if the annotation contains it."""
    storage = file_storage()
    if contains(hint, storage) and not hasattr(storage, "__get_pydantic_core_schema__"):
        storage.__get_pydantic_core_schema__ = classmethod(lambda cls, *_: core_schema.is_instance_schema(cls))
        binary = {"type": "string", "format": "binary"}
        storage.__get_pydantic_json_schema__ = classmethod(lambda *_: binary)
