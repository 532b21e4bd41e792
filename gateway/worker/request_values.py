"""The values of a request by name, before they are validated: of its query, and of the fields of its body."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from gateway.http import body as bodies
from gateway.http.request import Request
from gateway.http.wire import RejectedRequest
from gateway.worker import type_hints
from gateway.worker.invalid_input import InvalidInput
from gateway.worker.parameters import Parameters


class RequestValues:
    """Reads them for a function with these parameters."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def query(self, target: bytes) -> dict[str, Any]:
        _, has_query, query = target.partition(b"?")
        if not has_query:
            return {}
        try:
            return self._single_values(bodies.decode_fields(query))
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None

    def _single_values(self, args: bodies.Args) -> dict[str, Any]:
        """Of a name that came several times the first value, unless the parameter is a list."""
        lists = self._parameters.lists
        return {name: values if name in lists else values[0] for name, values in args.items()}

    def fields(self, request: Request) -> tuple[Mapping[str, Any], str]:
        """The body's fields; and what to say if they do not fit, because it has none."""
        media, content = bodies.media_type(request.header("Content-Type")), request.content
        if bodies.is_json(media) or not media:
            try:
                value = from_json(content)
            except ValueError as error:
                if not media or self._parameters.special:  # what else it is, the function may know
                    return {}, "The body is not JSON."
                raise InvalidInput(
                    [{"loc": ["body"], "message": f"Invalid JSON: {error}", "type": "json_invalid"}]
                ) from None
            if value is None:
                return {}, ""
            return (value, "") if isinstance(value, dict) else ({}, "The body is not a JSON object.")
        if media not in bodies.FORMS:
            wanted = bodies.MULTIPART if self._parameters.takes_files else "application/json"
            return {}, f"The body is {media}, which has no fields: send {wanted}."
        try:
            if media == bodies.MULTIPART:
                args, files = bodies.decode_multipart(request.header("Content-Type"), content)
                return self._with_objects(self._form_values(args) | self._files(files)), ""
            fields = self._with_objects(self._form_values(bodies.decode_form(content)))
        except ValueError as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None
        is_json = content.lstrip()[:1] in (b"{", b"[")
        return fields, "The body is JSON, but was sent as a form: add Content-Type: application/json." * is_json

    def _form_values(self, args: bodies.Args) -> dict[str, Any]:
        """The same, without what was left empty in a form and is no text, such as a number or a file."""
        for name in self._parameters.textless & args.keys():
            args[name] = [value for value in args[name] if value]
        return self._single_values({name: values for name, values in args.items() if values})

    def _with_objects(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same, with the models and dictionaries that a form holds as JSON texts.

        https://spec.openapis.org/oas/v3.1.1#encoding-object
        """
        for name in self._parameters.objects & values.keys():
            value = values[name]
            with contextlib.suppress(ValueError):
                parsed = [from_json(each) for each in (value if isinstance(value, list) else [value])]
                is_list = isinstance(value, list) and not (len(parsed) == 1 and isinstance(parsed[0], list))
                values[name] = parsed if is_list else parsed[0]
        return values

    def _files(self, files: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Uploaded files as bytes, or as FileStorage where the parameter is one."""
        values: dict[str, Any] = {}
        for name, group in files.items():
            storage = type_hints.file_storage() if name in self._parameters.files else None
            uploads = [
                storage(io.BytesIO(file.body), file.filename, name, file.content_type) if storage else file.body
                for file in group
            ]
            values[name] = uploads if name in self._parameters.lists else uploads[0]
        return values
