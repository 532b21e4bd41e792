"""Errors of the JSON API as JSON."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from control.config.errors import ApiError, NotebookFailure
from control.supervision.client import SupervisorError


def register_error_handlers(blueprint: Blueprint) -> None:
    blueprint.register_error_handler(ApiError, api_error)
    blueprint.register_error_handler(SupervisorError, supervisor_error)
    blueprint.register_error_handler(HTTPException, http_error)


def api_error(error: ApiError) -> tuple[Response, int]:
    body: dict[str, Any] = {"message": str(error)}
    if isinstance(error, NotebookFailure):
        body["error"] = error.error
    return jsonify(body), error.status


def supervisor_error(error: SupervisorError) -> tuple[Response, int]:
    return jsonify({"message": f"{error} Try again in a few seconds."}), 503


def http_error(error: HTTPException) -> ResponseReturnValue:
    """As JSON, unless the error has a page of its own."""
    return error.response or (jsonify({"message": error.description}), error.code or 500)


def routing_error(error: HTTPException) -> ResponseReturnValue:
    """As JSON below `/process/`: no blueprint is asked where its path or its method does not exist."""
    if not request.path.startswith("/process/"):
        return error
    message = f"There is no {request.method} {request.path}."
    if methods := getattr(error, "valid_methods", None):  # of MethodNotAllowed
        message += f" Use {' or '.join(sorted(set(methods) - {'HEAD', 'OPTIONS'}))}."
    headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
    return jsonify({"message": message if error.code in (404, 405) else error.description}), error.code or 500, headers
