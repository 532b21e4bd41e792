"""What the operations of an OpenAPI document refer to: the form of errors, and the schemas of functions."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.notebook.path_template import UniqueNames

TEXT = {"type": "string"}
# As docs/engine.md specifies.
ERROR = {
    "type": "object",
    "required": ["message", "extensions"],
    "properties": {
        "message": {"type": "string", "description": "What went wrong, for people."},
        "extensions": {
            "type": "object",
            "required": ["code"],
            "properties": {
                "code": {"type": "string", "description": "What went wrong, for programs: `cell-failed`, say."},
                "method": TEXT,
                "path": TEXT,
                "request_id": {"type": "string", "description": "Of its lines in the log."},
                "traceback": {"type": "array", "items": TEXT, "description": "Only with SHOW_TRACEBACKS=1."},
            },
        },
    },
}
AN_ERROR = {
    "message": "ValueError: not a number",
    "extensions": {"code": "cell-failed", "method": "GET", "path": "/invoke/price", "request_id": "8d3f0c"},
}
COMPONENTS: dict[str, Any] = {
    "schemas": {"Error": ERROR},
    "responses": {
        "Error": {
            "description": "An error of the request, the cell or its kernel: "
            '`{"message": "…", "extensions": {"code": "…"}}`',
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": AN_ERROR}},
        },
        "InvalidInput": {
            "description": "The request does not fit the schema.",
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "example": {
                        "message": "amount: Input should be a valid number",
                        "extensions": {
                            "code": "invalid-input",
                            "errors": [
                                {
                                    "loc": ["amount"],
                                    "message": "Input should be a valid number",
                                    "type": "float_parsing",
                                }
                            ],
                        },
                    },
                }
            },
        },
    },
    "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
}


def build(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """`components`, with these schemas. A notebook may have a model with the name Error."""
    names = UniqueNames()
    for each in schemas:
        names.add(each)
    name = names.add("Error")
    own = json.loads(json.dumps(COMPONENTS).replace("#/components/schemas/Error", f"#/components/schemas/{name}"))
    return {**own, "schemas": {name: own["schemas"]["Error"], **schemas}}
