"""Binds a request to the parameters of a function, and validates them with pydantic."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import SchemaError

from gateway.http import body as bodies
from gateway.http.request import Request
from gateway.http.wire import RejectedRequest
from gateway.worker.header_mapping import HeaderMapping
from gateway.worker.invalid_input import InvalidInput, from_validation
from gateway.worker.parameters import BindingError, Parameters
from gateway.worker.request_values import RequestValues


class Binding:
    """How `function` is called for requests to `method` at a path with the parameters `path`."""

    def __init__(
        self,
        function: Callable[..., Any],
        method: str,
        path: frozenset[str],
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        """`hints` are its annotations, if they are known. BindingError: it cannot be bound."""
        self._function = function
        self.parameters = parameters = Parameters(function, method, path, hints)
        self._values = RequestValues(parameters)
        self.fields = self._adapt(parameters.to_typed_dict("_Parameters"))
        self.whole: TypeAdapter[Any] | None = None
        if parameters.whole:
            hint = parameters.fields[parameters.whole]
            self.whole = self._adapt(hint)
            self._may_be_a_field = parameters.whole not in parameters.whole_fields
        rest: Any = parameters.rest
        self.rest = None if rest is None else self._adapt(dict[str, rest])
        hint = parameters.hints.get("body", Any)
        self.body = self._adapt(hint) if "body" in parameters.special and hint not in (Any, bytes) else None
        self._validate_fields = self.fields.validator.validate_python

    @property
    def needs_body(self) -> bool:
        """Whether a request without a body does not fit the parameter `body`."""
        if self.body is None or self.parameters.has_default_body:
            return False
        try:
            _validate_nothing(self.body)
        except InvalidInput:
            return True
        return False

    def call(self, arguments: dict[str, Any]) -> Any:
        """What the function returns for arguments of `bind`."""
        if self.parameters.positional:
            first = [arguments.pop(name) for name in self.parameters.positional if name in arguments]
            return self._function(*first, **arguments)
        return self._function(**arguments)

    def bind(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        """The arguments by name. InvalidInput: the request does not fit; RejectedRequest: it cannot be decoded."""
        parameters, hint = self.parameters, ""
        try:
            values = self._values.query(request.target)
            fields: Mapping[str, Any] = {}
            if parameters.has_body and not self.whole and request.content:
                fields, hint = self._values.fields(request)
                values.update(fields)
            values.update(path)
            arguments: dict[str, Any] = self._validate_fields(values)
            if hint:
                self._refuse_ignored_body(values, hint)
                hint = ""
            if self.whole:
                arguments[parameters.whole] = self._bind_whole(request, self.whole)  # type: ignore[index]
            if self.rest:
                arguments.update(self.rest.validate_python(self._unknown(fields)))
            if parameters.special:
                self._add_special(arguments, request, path)
        except ValidationError as error:
            raise from_validation(error, hint) from None
        return arguments

    def _refuse_ignored_body(self, values: Mapping[str, Any], hint: str) -> None:
        """InvalidInput: the body has no fields, none is needed, and nothing else was sent that the function takes."""
        parameters = self.parameters
        inputs = {parameters.names[name] for name in parameters.fields if name not in parameters.path}
        if not parameters.special and (inputs or self.rest) and not inputs & values.keys():
            raise InvalidInput([{"loc": ["body"], "message": "Input should be an object", "type": "dict_type"}], hint)

    def _unknown(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Those for `**fields`."""
        known = {*self.parameters.names, *self.parameters.names.values()}
        return {name: value for name, value in fields.items() if name not in known}

    def _bind_whole(self, request: Request, adapter: TypeAdapter[Any]) -> Any:
        """The model that the body is; or its field of the parameter's name, unless the model has one of that name."""
        content, name = request.content, str(self.parameters.whole)
        if not content:
            default = adapter.get_default_value()
            return default.value if default else adapter.validate_python({})
        is_json = bodies.is_json(bodies.media_type(request.header("Content-Type")))
        if is_json and not (self._may_be_a_field and b'"%b"' % name.encode() in content):
            return adapter.validate_json(content)
        fields, hint = self._values.fields(request)
        is_field = self._may_be_a_field and name in fields
        try:
            if is_field:
                return adapter.validate_python(fields[name])
            return adapter.validate_json(content) if is_json else adapter.validate_python(fields)
        except ValidationError as error:
            raise from_validation(error, hint, [name] if is_field else []) from None

    def _add_special(self, arguments: dict[str, Any], request: Request, path: Mapping[str, str]) -> None:
        special = self.parameters.special
        if "headers" in special:
            arguments["headers"] = HeaderMapping(request.headers)
        if "body" in special and (request.content or not self.parameters.has_default_body):
            arguments["body"] = self._bind_body(request)
        if "request" in special:
            arguments["request"] = request.encode(dict(path))[1]()

    def _bind_body(self, request: Request) -> Any:
        if self.parameters.hints.get("body") is bytes:
            return request.content
        if self.body:
            return self._validate_body(self.body, request)
        return self._decode_body(request)

    def _validate_body(self, body: TypeAdapter[Any], request: Request) -> Any:
        media = bodies.media_type(request.header("Content-Type"))
        if not request.content:
            return _validate_nothing(body)
        if bodies.is_json(media):
            return body.validate_json(request.content)
        if media in bodies.FORMS and self.parameters.is_body_a_model:
            return body.validate_python(self._values.fields(request)[0])
        text = self._decode_body(request)
        if media:
            return body.validate_python(text)
        try:
            return body.validate_json(request.content)
        except ValidationError as error:
            try:
                return body.validate_python(text)
            except ValidationError:
                raise error from None

    def _decode_body(self, request: Request) -> Any:
        try:
            return bodies.decode_body(request.header("Content-Type"), request.content).value
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None

    def _adapt(self, hint: Any) -> TypeAdapter[Any]:
        """BindingError: pydantic does not know how to validate it."""
        try:
            return _adapt(hint)
        except Exception as error:  # an annotation may run any code
            name = next((name for name, each in self.parameters.fields.items() if not _can_adapt(each)), None)
            first, *_, last = str(error).splitlines() * 2  # of a SchemaError, the last one is the cause
            reason = last if isinstance(error, SchemaError) else first.partition(". Set `arbitrary")[0]
            if isinstance(error, PydanticSchemaGenerationError):
                reason = (
                    f"{reason.rpartition(' schema for ')[2]} is neither a model nor another type that pydantic knows"
                )
            what = f"{name} cannot" if name else "it cannot"
            raise BindingError(name, f"{what} be read from a request: {reason}") from None


def _validate_nothing(body: TypeAdapter[Any]) -> Any:
    """The value for a request without a body: an empty text, or else None. InvalidInput: it may be neither."""
    for value in ("", None):
        with contextlib.suppress(ValidationError):
            return body.validate_python(value)
    raise InvalidInput([{"loc": ["body"], "message": "Field required", "type": "missing"}])


def _adapt(hint: Any) -> TypeAdapter[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    adapter.rebuild(raise_errors=True)
    return adapter


def _can_adapt(hint: Any) -> bool:
    try:
        _adapt(hint)
    except Exception:  # as above
        return False
    return True
