"""What a request's parameters, fields and body become as arguments of a function."""

import enum
import functools
import json
import re
import typing
from collections import deque
from collections.abc import Callable, Mapping, MutableSequence, Sequence, Set
from typing import Annotated, Any, Literal, NewType
from urllib.parse import urlencode

import pytest
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, Json, JsonValue
from pydantic.alias_generators import to_camel
from typing_extensions import TypeAliasType

from gateway.http.request import Request
from gateway.worker.binding import Binding
from gateway.worker.invalid_input import InvalidInput
from gateway.worker.parameters import BindingError

FORM = "application/x-www-form-urlencoded"


def bind(
    function: Callable[..., Any],
    target: str = "/x",
    body: Any = None,
    kind: str = "application/json",
    path: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The arguments for a POST with this body, or for a GET without one."""
    method, body = ("GET", b"") if body is None else ("POST", body)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    binding = Binding(function, method, frozenset(path or ()))
    return binding.bind(Request(method, target.encode(), {"Content-Type": kind} if kind else {}, content), path or {})


class Item(BaseModel):
    name: str
    tags: list[str] = []


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    tag_list: list[str]


class Choice(BaseModel):
    numbers: list[int] = Field(validation_alias=AliasChoices("numbers", "n"))


Items = TypeAliasType("Items", list[int])
Aliased = TypeAliasType("Aliased", Item)
Ids = NewType("Ids", list[int])
Endless = TypeAliasType("Endless", "dict[str, Endless] | int")  # type: ignore[misc]


def test_an_alias_is_what_it_stands_for() -> None:
    def items(a: Items, b: Ids, c: Json[list[int]]) -> None: ...
    def whole(item: Aliased) -> None: ...
    def endless(tree: Endless, value: JsonValue = None) -> None: ...

    assert bind(items, "/x?a=1&a=2&b=3&c=[4]") == {"a": [1, 2], "b": [3], "c": [4]}
    assert bind(whole, body={"name": "a"})["item"] == Item(name="a")
    assert bind(endless, body={"tree": {"a": {"b": 1}}}) == {"tree": {"a": {"b": 1}}, "value": None}


@pytest.mark.parametrize(
    ("model", "form"), [(Camel, b"tag_list=a"), (Camel, b"tagList=a"), (Choice, b"n=1"), (Choice, b"numbers=1")]
)
def test_a_form_may_use_each_name_of_a_models_field(model: Any, form: bytes) -> None:
    def whole(item: Annotated[Any, None]) -> None: ...

    whole.__annotations__["item"] = model
    assert len(next(iter(bind(whole, body=form, kind=FORM)["item"].model_dump().values()))) == 1


class Plain: ...


@pytest.mark.parametrize(
    ("hint", "name", "reason"),
    [
        (Annotated[str, Field(pattern="(?=a)")], "a", "a cannot be read from a request: error: look-around"),
        (5, "a", "a cannot be read from a request: 5 is neither a model nor another type that pydantic knows"),
        (Plain, "a", "test_binding.Plain'> is neither a model"),
        (Literal, None, "its parameters cannot be read from a request: Plain typing.Literal"),
        ("1 / 0", None, "its annotations cannot be read: ZeroDivisionError"),
    ],
)
def test_whatever_is_wrong_with_an_annotation_is_said_at_the_start(hint: Any, name: str | None, reason: str) -> None:
    def function(a: int) -> None: ...

    function.__annotations__["a"] = hint
    with pytest.raises(BindingError, match=re.escape(reason)) as caught:
        Binding(function, "GET", frozenset())
    assert caught.value.name == name


def test_a_partial_function_has_the_annotations_of_the_whole() -> None:
    def add(a: int, b: int) -> None: ...

    assert bind(functools.partial(add, 1), "/x?b=2") == {"b": 2}


class Level(enum.Enum):
    LOW = 1
    NONE = "none"


def test_a_text_is_read_as_the_number_that_a_literal_or_an_enum_names() -> None:
    def levels(
        n: Literal[1, 2], flag: Literal[True], level: Level, some: list[Literal[1, 2]] | None = None
    ) -> None: ...
    def text(n: Literal[1, "1", None]) -> None: ...

    assert bind(levels, "/x?n=2&flag=true&level=1&some=1&some=2") == {
        "n": 2, "flag": True, "level": Level.LOW, "some": [1, 2],
    }  # fmt: skip
    assert bind(levels, body={"n": 1, "flag": True, "level": "none"})["level"] is Level.NONE
    assert bind(text, "/x?n=1") == {"n": "1"}
    with pytest.raises(InvalidInput, match="n: Input should be 1 or 2"):
        bind(levels, "/x?n=3&flag=true&level=1")


def test_of_many_errors_the_first_are_told_and_all_are_counted() -> None:
    def total(numbers: list[int]) -> None: ...

    with pytest.raises(InvalidInput) as few:
        bind(total, body={"numbers": ["x"] * 1003})
    assert str(few.value).startswith("numbers.0: Input should be a valid integer")
    assert str(few.value).endswith("; and 1,000 more")
    assert len(few.value.details["errors"]) == 50
    with pytest.raises(InvalidInput) as many:
        bind(total, body={"numbers": ["x"] * 100_000})
    assert str(many.value) == "100,000 values do not fit, too many to name them"


def test_a_callers_key_is_sent_back_only_in_part() -> None:
    def total(**numbers: int) -> None: ...

    with pytest.raises(InvalidInput) as caught:
        bind(total, body={"x" * 100_000: "no number"})
    assert len(str(caught.value)) < 1200
    assert len(json.dumps(caught.value.details)) < 1200


def test_a_body_is_validated_whatever_its_form() -> None:
    def item(body: Item) -> None: ...
    def text(body: str) -> None: ...
    def default(body: Item | None = None) -> None: ...
    def nullable(body: Item | None) -> None: ...

    expected = {"body": Item(name="a", tags=["x"])}
    assert bind(item, body=b"name=a&tags=x", kind=FORM) == expected
    assert bind(item, body={"name": "a", "tags": ["x"]}, kind="") == expected
    assert bind(text, body=b"5", kind="") == {"body": "5"}
    assert (bind(text, body=b"")["body"], bind(default, body=b""), bind(nullable, body=b"")["body"]) == ("", {}, None)
    for body, message in ((b"", "body: Field required"), ({"name": 1}, "name: Input should be a valid string")):
        with pytest.raises(InvalidInput, match=f"^{message}$"):
            bind(item, body=body, kind="")


def test_what_is_left_empty_in_a_form_was_not_given() -> None:
    def form(
        n: int | None = None, ids: list[int] | None = None, name: str = "x", file: bytes | None = None
    ) -> None: ...
    def needed(n: int) -> None: ...

    assert bind(form, body=b"n=&ids=&ids=3&name=&file=", kind=FORM) == {"n": None, "ids": [3], "name": "", "file": None}
    with pytest.raises(InvalidInput, match="n: Field required"):
        bind(needed, body=b"n=", kind=FORM)


@pytest.mark.parametrize(
    ("body", "kind", "hint"),
    [
        (b"[1]", "application/json", "The body is not a JSON object"),
        (b'{"n": 1}', FORM, "add Content-Type: application/json"),
        (b"1", "text/plain", "send application/json"),
    ],
)
def test_no_body_is_ignored_by_a_function_whose_parameters_have_defaults(body: bytes, kind: str, hint: str) -> None:
    def default(n: int = 0) -> None: ...
    def rest(**fields: str) -> None: ...

    for function in (default, rest):
        with pytest.raises(InvalidInput, match=f"body: Input should be an object.*{hint}"):
            bind(function, body=body, kind=kind)
    assert bind(default, "/x?n=1", body, kind) == {"n": 1}
    assert bind(default, body=b"null") == {"n": 0}


def test_a_body_without_fields_is_to_be_sent_as_the_function_takes_it() -> None:
    def upload(file: bytes) -> None: ...

    with pytest.raises(InvalidInput, match="The body is image/png, which has no fields: send multipart/form-data"):
        bind(upload, body=b"\x89PNG", kind="image/png")


def test_the_rest_of_the_fields_sets_no_other_parameter() -> None:
    def aliased(from_: Annotated[int, Field(alias="from")] = 0, **fields: str) -> None: ...

    assert bind(aliased, body={"from_": "raw", "a": "b"}) == {"from_": 0, "a": "b"}


class Query(BaseModel):
    n: int


@pytest.mark.parametrize(
    ("hint", "method", "path", "reason"),
    [
        (dict[str, int], "GET", "", "a is a dictionary, which a query cannot hold: use POST, PUT or PATCH"),
        (list[Query] | None, "GET", "", "a is a list, each a model, which a query cannot hold"),
        (Query, "DELETE", "", "a is a model, which a query cannot hold"),
        (list[int], "POST", "a", "a is a list, which a path cannot hold"),
        (Query | None, "POST", "a", "a is a model, which a path cannot hold"),
    ],
)
def test_what_a_path_or_a_query_cannot_hold_is_said_at_the_start(
    hint: Any, method: str, path: str, reason: str
) -> None:
    def function(a: int) -> None: ...

    function.__annotations__["a"] = hint
    with pytest.raises(BindingError, match=reason) as caught:
        Binding(function, method, frozenset(path))
    assert caught.value.name == "a"


def test_the_request_itself_is_no_model() -> None:
    def create(request: Item) -> None: ...
    def allowed(request: dict[str, Any], headers: Mapping[str, str] | None, body: Item) -> None: ...

    with pytest.raises(BindingError, match="request is the dictionary that REQUEST holds, and no other type") as caught:
        Binding(create, "POST", frozenset())
    assert caught.value.name == "request"
    assert bind(allowed, body={"name": "a"})["body"] == Item(name="a")


def test_the_rest_of_a_body_needs_a_body() -> None:
    def rest(**fields: str) -> None: ...

    with pytest.raises(BindingError, match="takes fields of a body, which this method has not"):
        Binding(rest, "GET", frozenset())


def test_a_text_may_be_what_a_validator_makes_of_it() -> None:
    def options(a: Annotated[dict[str, int], BeforeValidator(json.loads)], b: Json[Query]) -> None: ...
    def items(ids: Annotated[list[int], BeforeValidator(lambda text: text.split(","))]) -> None: ...

    assert bind(options, "/x?a={%22n%22:1}&b={%22n%22:2}") == {"a": {"n": 1}, "b": Query(n=2)}
    assert bind(items, path={"ids": "1,2"}) == {"ids": [1, 2]}


def test_a_parameter_of_the_path_may_have_a_name_that_python_has_not() -> None:
    def user(id_: Annotated[int, Field(alias="user-id")], class_: str = Field(alias="class")) -> None: ...
    def other(user_id: int) -> None: ...

    assert bind(user, path={"user-id": "1", "class": "a"}) == {"id_": 1, "class_": "a"}
    with pytest.raises(BindingError, match=r"parameter user-id: name one Field\(alias='user-id'"):
        Binding(other, "GET", frozenset({"user-id"}))


def test_a_form_has_an_object_as_json() -> None:
    def add(item: Item, items: list[Item], counts: dict[str, int] | None = None, note: str = "") -> None: ...

    one, two = Item(name="a"), Item(name="b")
    several = urlencode(
        [("item", '{"name": "a"}'), ("items", '{"name": "a"}'), ("items", '{"name": "b"}'), ("note", "{}")]
    )
    assert bind(add, body=several.encode(), kind=FORM) == {
        "item": one, "items": [one, two], "counts": None, "note": "{}",
    }  # fmt: skip
    as_list = urlencode({"item": '{"name": "a"}', "items": '[{"name": "a"}]', "counts": '{"n": 1}'})
    assert bind(add, body=as_list.encode(), kind=FORM)["counts"] == {"n": 1}
    with pytest.raises(InvalidInput, match="item: Input should be a valid dictionary"):
        bind(add, body=b"item={", kind=FORM)


@pytest.mark.parametrize("kind", [list, tuple[int, ...], Set, Sequence, MutableSequence, deque, typing.List])  # noqa: UP006
def test_all_values_of_a_name_are_bound_to_any_kind_of_list(kind: Any) -> None:
    def several(a: int) -> None: ...

    several.__annotations__["a"] = kind
    assert sorted(int(each) for each in bind(several, "/x?a=1&a=2")["a"]) == [1, 2]
