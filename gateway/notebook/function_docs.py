"""Completes the documentation of endpoints by what their functions say: docstrings, and examples by their types."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.notebook.endpoint_docs import EndpointDoc, Key
from gateway.notebook.schema_examples import make_request
from gateway.protocol.messages import Endpoint


def add(
    docs: Mapping[Key, EndpointDoc],
    endpoints: Sequence[Endpoint],
    description: Mapping[str, Any],
    with_examples: bool = False,
) -> dict[Key, EndpointDoc]:
    """`docs` with the docstrings in `description` (gateway.worker.function_schema), which count more than Markdown.

    With `with_examples`, also examples for functions that have no REQUEST cell.
    """
    completed = dict(docs)
    for index, function in description["functions"].items():
        endpoint = endpoints[int(index)]
        key = (endpoint.method, endpoint.path)
        doc = completed.get(key, EndpointDoc())
        if function["text"]:
            doc = replace(doc, text=function["text"])
        if with_examples and not doc.example:
            doc = replace(doc, example=make_request(function, description["schemas"]))
        completed[key] = doc
    return completed
