"""What the parameters of a function are, and from where in a request each comes."""

import inspect
from collections.abc import Callable, Collection, Mapping
from keyword import iskeyword
from typing import Annotated, Any

import pydantic
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from gateway.notebook.functions import REQUEST_NAMES
from gateway.worker import functions, type_hints

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class BindingError(Exception):
    """A function cannot be an endpoint; `name` is the parameter at fault, or a name in the signature."""

    def __init__(self, name: str | None, message: str) -> None:
        super().__init__(message)
        self.name = name


class Parameters:
    """The parameters of a function at a method and a path with the parameters `path`.

    `path` are those that come from the path, and `names` the names of all in a request, where an alias is one.
    `fields` are the annotations of those that come from the path, the body's fields or the query; `special` are those
    of body, headers and request that the function takes; `rest` is the annotation of `**fields`, None without one.
    `whole` is the one that takes all of the body, because it is a model and alone; `whole_fields` are the annotations
    of that model's fields. `returns` is the annotation of the value, `Signature.empty` without one. `lists` and
    `files` are names, as requests have them, of fields that take several values, and werkzeug's FileStorage; `textless`
    of those that no empty text can be; `objects` of models, dictionaries, and lists of such.
    """

    def __init__(
        self, function: Callable[..., Any], method: str, path: Collection[str], hints: Mapping[str, Any] | None = None
    ) -> None:
        """`hints` are its annotations, if they are known. BindingError: the function cannot be bound."""
        self.has_body = method in WITH_BODY
        self._path = frozenset(path)
        self.path: frozenset[str] = frozenset()
        self._signature = _read_signature(function)
        self.hints: Mapping[str, Any] = _read_hints(function) if hints is None else hints
        self.returns = self.hints.get("return", inspect.Signature.empty)
        self.fields: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.special: frozenset[str] = frozenset()
        self.positional: tuple[str, ...] = ()
        self.has_default_body = False
        self.rest: Any = None
        for parameter in self._signature.parameters.values():
            self._add(parameter)
        self._refuse_missing()
        self._refuse_objects()
        self.whole = self._find_whole()
        self.whole_fields = _read_fields(self.whole, self.fields[self.whole]) if self.whole else {}
        body = self.hints.get("body") if "body" in self.special else None
        self.is_body_a_model = type_hints.is_model(body)
        pairs = [*((self.names[name], hint) for name, hint in self.fields.items()), *self.whole_fields.items()]
        if self.is_body_a_model:
            pairs += _read_fields("body", body).items()
        self.lists = frozenset(name for name, hint in pairs if type_hints.is_sequence(hint))
        self.files = frozenset(name for name, hint in pairs if type_hints.contains(hint, type_hints.file_storage()))
        self.textless = frozenset(name for name, hint in pairs if type_hints.is_textless(hint))
        self.objects = frozenset(name for name, hint in pairs if type_hints.is_object(hint))
        self.takes_files = bool(self.files) or any(type_hints.contains(hint, bytes) for hint in self.fields.values())

    @property
    def inputs(self) -> dict[str, Any]:
        """The fields but `whole`."""
        return {name: hint for name, hint in self.fields.items() if name != self.whole}

    def to_typed_dict(self, title: str) -> Any:
        """The `inputs` as a type, for pydantic. BindingError: an annotation is no type."""
        try:
            return TypedDict(title, self.inputs)  # type: ignore[operator]
        except TypeError as error:
            raise BindingError(None, f"its parameters cannot be read from a request: {error}") from None

    def _add(self, parameter: inspect.Parameter) -> None:
        name, hint = parameter.name, self.hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            why = "name each parameter (a decorator needs functools.wraps)"
            raise BindingError(name, f"*{name} cannot be bound: {why}")
        if parameter.kind is parameter.VAR_KEYWORD:
            if not self.has_body:
                why = "takes fields of a body, which this method has not: use POST, PUT or PATCH"
                raise BindingError(name, f"**{name} {why}")
            self.rest = hint
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self.positional += (name,)
        if name in REQUEST_NAMES and name not in self._path:
            if name != "body" and not type_hints.is_mapping(hint):
                what = "the dictionary that REQUEST holds" if name == "request" else "a mapping"
                raise BindingError(
                    name, f"{name} is {what}, and no other type: give the parameter another name, or body"
                )
            self.special |= {name}
            self.has_default_body |= name == "body" and parameter.default is not parameter.empty
            return
        type_hints.adopt_file_storage(hint)
        hint = _with_texts(hint)
        whole = _with_default(hint, parameter.default)
        self.names[name] = type_hints.alias(whole) or name
        if self.names[name] in self._path:
            self.path |= {name}
        has_name = isinstance(parameter.default, FieldInfo)
        self.fields[name] = hint if name in self.path and not has_name else whole

    def _refuse_missing(self) -> None:
        """BindingError: a parameter of the path is taken by none of the function, which does not take it all either."""
        missing = min(self._path - set(self.names.values()), default="")
        if missing and "request" not in self.special:
            how = "" if missing.isidentifier() and not iskeyword(missing) else f": name one Field(alias={missing!r})"
            raise BindingError(None, f"it does not take the path's parameter {missing}{how}")

    def _refuse_objects(self) -> None:
        """BindingError: a parameter takes what the path or the query, if there is no body, cannot hold."""
        for name, hint in self.fields.items():
            what = type_hints.name_structure(hint)
            if name in self.path and what:
                raise BindingError(name, f"{name} is {what}, which a path cannot hold")
            if not self.has_body and type_hints.is_object(hint):
                raise BindingError(name, f"{name} is {what}, which a query cannot hold: use POST, PUT or PATCH")

    def _find_whole(self) -> str | None:
        """The lone model."""
        candidates = [name for name in self.fields if name not in self.path]
        models = [name for name in candidates if type_hints.is_model(self.fields[name])]
        return models[0] if len(candidates) == 1 and models and self.rest is None else None


def _read_signature(function: Any) -> inspect.Signature:
    if not callable(function):
        raise BindingError(None, f"it is a {type(function).__name__}, which cannot be called")
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise BindingError(None, f"its parameters are not known: {error}") from None


def _read_hints(function: Any) -> dict[str, Any]:
    try:
        return functions.read_hints(function)
    except NameError as error:
        raise BindingError(error.name, f"the annotation {error.name} does not exist") from None
    except Exception as error:  # an annotation may be any expression
        raise BindingError(None, f"its annotations cannot be read: {type(error).__name__}: {error}") from None


def _read_fields(name: str, model: Any) -> dict[str, Any]:
    try:
        return type_hints.fields(model)
    except Exception as error:  # as above
        raise BindingError(name, f"{name} cannot be read from a request: {error}") from None


def _with_texts(hint: Any) -> Any:
    """The annotation so that it takes the text `1` for a 1 that it names, as `int` does."""
    values = type_hints.values_by_text(hint)

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(each) for each in value]
        return values.get(value, value) if type(value) is str else value

    return Annotated[hint, pydantic.BeforeValidator(read)] if values else hint


def _with_default(hint: Any, default: Any) -> Any:
    """The annotation with the default value. `x: int = Field(5, ge=1)` has both in one."""
    if default is inspect.Parameter.empty:
        return hint
    return Annotated[hint, default if isinstance(default, FieldInfo) else pydantic.Field(default=default)]
