"""Looks into annotations: whether one is a model, a list, a file."""

import dataclasses
import enum
import json
import sys
import types
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableSequence, MutableSet, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import core_schema
from typing_extensions import is_typeddict

_TEXTLESS = (int, float, bool, bytes, Decimal, date, datetime, time, timedelta, UUID)
_DEEPEST = 5
A_LIST = "a list"
_FROM_ANYTHING = (pydantic.BeforeValidator, pydantic.PlainValidator, pydantic.WrapValidator)
_SEQUENCES = (list, set, frozenset, tuple, deque, Iterable, Collection, Sequence, MutableSequence, Set, MutableSet)


def variants(hint: Any) -> Iterator[Any]:
    """The annotation without Annotated; each of a union, but for None; what an alias or a NewType stands for."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *extras = get_args(hint)
        is_json = any(isinstance(extra, pydantic.Json) for extra in extras)  # Json[list[int]] is read from a text
        yield from [pydantic.Json] if is_json else variants(inner)
    elif origin in (Union, types.UnionType):
        for each in get_args(hint):
            yield from variants(each)
    elif hasattr(origin or hint, "__value__"):  # `type Items = list[Item]`
        yield from variants((origin or hint).__value__)
    elif isinstance(hint, NewType):
        yield from variants(hint.__supertype__)
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
    """The annotations of a model's fields by their names in a request, aliases too; of a union, of all its models.

    Whatever get_type_hints raises: an annotation cannot be evaluated.
    """
    found: dict[str, Any] = {}
    for variant in variants(hint):
        kind = get_origin(variant) or variant
        known = getattr(kind, "__pydantic_fields__", None) or {}  # of models, and of pydantic's dataclasses
        for name, field in known.items():
            found.update(dict.fromkeys((name, *_aliases(field)), field.annotation))
        if not known:
            found.update(get_type_hints(kind))
    return found


def _aliases(field: FieldInfo) -> Iterator[str]:
    choices = field.validation_alias.choices if isinstance(field.validation_alias, pydantic.AliasChoices) else ()
    for name in (field.alias, field.validation_alias, *choices):
        if isinstance(name, str):
            yield name


def is_sequence(hint: Any) -> bool:
    return any((get_origin(variant) or variant) in _SEQUENCES for variant in variants(hint))


def name_structure(hint: Any) -> str:
    """What it is if no text can be it: a model, a dictionary, a list of such; a list of texts; "" if one can be it."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if any(isinstance(extra, _FROM_ANYTHING) for extra in extras):
        return ""
    if kind := _name_object(hint):
        return kind
    kinds = [get_origin(variant) or variant for variant in variants(hint)]
    if not kinds or any(kind not in _SEQUENCES for kind in kinds):
        return ""
    items = [_name_object(each) for variant in variants(hint) for each in get_args(variant)]
    return f"a list, each {items[0]}" if items and all(items) else A_LIST


def is_mapping(hint: Any) -> bool:
    """Whether a dictionary can be it."""
    kinds = [get_origin(variant) or variant for variant in variants(hint)]
    return all(kind is Any or is_typeddict(kind) or issubclass(dict, kind) for kind in kinds if isinstance(kind, type))


def is_object(hint: Any) -> bool:
    """Whether it is a model, a dictionary, or a list of such, which no text of a query can be."""
    return name_structure(hint) not in ("", A_LIST)


def _name_object(hint: Any) -> str:
    if is_model(hint):
        return "a model"
    kinds = [get_origin(variant) or variant for variant in variants(hint)]
    is_mapping = kinds and all(isinstance(kind, type) and issubclass(kind, Mapping) for kind in kinds)
    return "a dictionary" if is_mapping else ""


def values_by_text(hint: Any, depth: int = 0) -> dict[str, Any]:
    """The numbers and booleans that Literals and enums in it allow, by their texts: a query holds nothing else."""
    members: list[Any] = []
    for variant in variants(hint):
        if get_origin(variant) is Literal:
            members += get_args(variant)
        elif isinstance(variant, type) and issubclass(variant, enum.Enum):
            members += [member.value for member in variant]
        elif is_sequence(variant) and depth < _DEEPEST:
            members += [value for each in get_args(variant) for value in values_by_text(each, depth + 1).values()]
    numbers = {json.dumps(value): value for value in members if isinstance(value, int | float)}
    return {text: value for text, value in numbers.items() if text not in members}


def is_textless(hint: Any) -> bool:
    """Whether it is a number, a date or a file, or a list of such, which an empty field of a form cannot be."""
    kinds = [each for variant in variants(hint) for each in (get_args(variant) if is_sequence(variant) else [variant])]
    return bool(kinds) and all(kind in _TEXTLESS or kind is file_storage() for kind in kinds)


def contains(hint: Any, kind: Any, depth: int = 0) -> bool:
    """Whether it is `kind`, or a list or another generic of it. An alias may contain itself."""
    if kind is None or depth > _DEEPEST:
        return False
    return any(
        variant is kind or any(contains(each, kind, depth + 1) for each in get_args(variant))
        for variant in variants(hint)
    )


def file_storage() -> Any:
    """werkzeug's class of uploaded files; None where nobody has imported it."""
    return getattr(sys.modules.get("werkzeug.datastructures"), "FileStorage", None)


def adopt_file_storage(hint: Any) -> None:
    """Teach pydantic werkzeug's class, if the annotation contains it."""
    storage = file_storage()
    if contains(hint, storage) and not hasattr(storage, "__get_pydantic_core_schema__"):
        storage.__get_pydantic_core_schema__ = classmethod(lambda cls, *_: _file_schema(cls))
        binary = {"type": "string", "format": "binary"}
        storage.__get_pydantic_json_schema__ = classmethod(lambda *_: binary)


def _file_schema(storage: type) -> core_schema.CoreSchema:
    message = "Input should be an uploaded file: a part of multipart/form-data with a filename"
    instance = core_schema.is_instance_schema(storage)
    return core_schema.custom_error_schema(instance, custom_error_type="file_type", custom_error_message=message)
