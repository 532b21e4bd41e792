"""Binds a request to the parameters of a function, and validates them with pydantic."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaError, from_json

from gateway.http import body as bodies
from gateway.http.request import Request
from gateway.http.wire import RejectedRequest, header_name
from gateway.worker import type_hints
from gateway.worker.invalid_input import InvalidInput, from_validation
from gateway.worker.parameters import BindingError, Parameters


class HeaderMapping(Mapping[str, str]):
    """The headers of a request, whatever the case of a name; lines of one name are joined (RFC 9110, 5.3)."""

    def __init__(self, headers: Mapping[str, str | list[str]]) -> None:
        self._headers = {name: v if isinstance(v, str) else ", ".join(v) for name, v in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[header_name(name.encode("latin-1", "replace"))]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


class Binding:
    """How `function` is called for requests to `method` at a path with the parameters `path`."""

    def __init__(self, function: Callable[..., Any], method: str, path: frozenset[str]) -> None:
        """BindingError: it cannot be."""
        self._function = function
        self.parameters = parameters = Parameters(function, method, path)
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
            values = self._query(request.target)
            fields: Mapping[str, Any] = {}
            if parameters.has_body and not self.whole and request.content:
                fields, hint = self._body_fields(request)
                values.update(fields)
            values.update(path)
            arguments: dict[str, Any] = self._validate_fields(values)
            if self.whole:
                arguments[parameters.whole] = self._bind_whole(request, self.whole)  # type: ignore[index]
            if self.rest:
                unknown = {name: value for name, value in fields.items() if name not in parameters.names.values()}
                arguments.update(self.rest.validate_python(unknown))
            if parameters.special:
                self._add_special(arguments, request, path)
        except ValidationError as error:
            raise from_validation(error, hint) from None
        return arguments

    def _query(self, target: bytes) -> dict[str, Any]:
        _, has_query, query = target.partition(b"?")
        if not has_query:
            return {}
        try:
            return self._single_values(bodies.decode_fields(query))
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None

    def _single_values(self, args: bodies.Args) -> dict[str, Any]:
        """Of a name that came several times the first value, unless the parameter is a list."""
        lists = self.parameters.lists
        return {name: values if name in lists else values[0] for name, values in args.items()}

    def _body_fields(self, request: Request) -> tuple[Mapping[str, Any], str]:
        """The body's fields; and what to say if they do not fit, because it has none."""
        media, content = bodies.media_type(request.header("Content-Type")), request.content
        if bodies.is_json(media) or not media:
            try:
                value = from_json(content)
            except ValueError as error:
                if not media or self.parameters.special:  # what else it is, the function may know
                    return {}, "The body is not JSON."
                raise InvalidInput(
                    [{"loc": ["body"], "message": f"Invalid JSON: {error}", "type": "json_invalid"}]
                ) from None
            return (value, "") if isinstance(value, dict) else ({}, "The body is not a JSON object.")
        if media not in (bodies.FORM, bodies.MULTIPART):
            return {}, f"The body is {media}, which has no fields: send application/json."
        try:
            if media == bodies.MULTIPART:
                args, files = bodies.decode_multipart(request.header("Content-Type"), content)
                return self._single_values(args) | self._files(files), ""
            fields = self._single_values(bodies.decode_form(content))
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None
        is_json = content.lstrip()[:1] in (b"{", b"[")
        return fields, "The body is JSON, but was sent as a form: add Content-Type: application/json." * is_json

    def _files(self, files: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Uploaded files as bytes, or as FileStorage where the parameter is one."""
        values: dict[str, Any] = {}
        for name, group in files.items():
            storage = type_hints.file_storage() if name in self.parameters.files else None
            uploads = [
                storage(io.BytesIO(file.body), file.filename, name, file.content_type) if storage else file.body
                for file in group
            ]
            values[name] = uploads if name in self.parameters.lists else uploads[0]
        return values

    def _bind_whole(self, request: Request, adapter: TypeAdapter[Any]) -> Any:
        """The model that the body is; or its field of the parameter's name, unless the model has one of that name."""
        content, name = request.content, str(self.parameters.whole)
        if not content:
            default = adapter.get_default_value()
            return default.value if default else adapter.validate_python({})
        is_json = bodies.is_json(bodies.media_type(request.header("Content-Type")))
        if is_json and not (self._may_be_a_field and b'"%b"' % name.encode() in content):
            return adapter.validate_json(content)
        fields, hint = self._body_fields(request)
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
        if "body" in special:
            arguments["body"] = self._bind_body(request)
        if "request" in special:
            arguments["request"] = request.encode(dict(path))[1]()

    def _bind_body(self, request: Request) -> Any:
        kind, content = request.header("Content-Type"), request.content
        if self.parameters.hints.get("body") is bytes:
            return content
        if self.body and content and bodies.is_json(bodies.media_type(kind)):
            return self.body.validate_json(content)
        try:
            value = bodies.decode_body(kind, content).value
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None
        return self.body.validate_python(value) if self.body else value

    def _adapt(self, hint: Any) -> TypeAdapter[Any]:
        """BindingError: pydantic does not know how to validate it."""
        try:
            return _adapt(hint)
        except Exception as error:  # an annotation may run any code
            name = next((name for name, each in self.parameters.fields.items() if not _can_adapt(each)), None)
            first, *_, last = str(error).splitlines() * 2  # of a SchemaError, the last one is the cause
            reason = last if isinstance(error, SchemaError) else first.partition(". Set `arbitrary")[0]
            what = f"{name} cannot" if name else "it cannot"
            raise BindingError(name, f"{what} be read from a request: {reason}") from None


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
