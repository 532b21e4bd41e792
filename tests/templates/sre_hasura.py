"""Hasura with ClickHouse behind it: the four tables of sre_assistant, read from a real engine."""

from typing import Any

from ariadne import QueryType

from tests.support.clickhouse import ClickHouse
from tests.support.graphql_server import GraphQLServer

COLUMNS = {
    "incidents": {"severity": "String", "title": "String", "resolved_at": "DateTime"},
    "deployments": {"version": "String", "author": "String", "description": "String"},
    "logs": {"level": "String", "message": "String"},
    "metrics": {"name": "String", "value": "Float"},
}
OPERATORS = {"_eq": "=", "_gte": ">=", "_lte": "<=", "_in": "IN"}
SCHEMA = """
    scalar DateTime
    enum order_by { asc, desc }
    input String_comparison_exp { _eq: String, _in: [String!] }
    input Float_comparison_exp { _gte: Float, _lte: Float }
    input DateTime_comparison_exp { _gte: DateTime, _lte: DateTime }
"""
TABLE = """
    type TABLE { timestamp: DateTime!, service: String!, FIELDS }
    input TABLE_bool_exp {
        timestamp: DateTime_comparison_exp, service: String_comparison_exp, COMPARISONS
    }
    input TABLE_order_by { timestamp: order_by }
    extend type Query {
        TABLE(where: TABLE_bool_exp, order_by: [TABLE_order_by!], limit: Int): [TABLE!]!
    }
"""


def serve(clickhouse: ClickHouse) -> GraphQLServer:
    """A GraphQL server whose answers come from the database `sre`."""
    root = QueryType()
    for table in COLUMNS:
        root.set_field(table, Table(clickhouse, table))
    return GraphQLServer(schema(), root)


def schema() -> str:
    """What Hasura makes of the tables."""
    parts = ["type Query { _service: String }", SCHEMA]
    for table, columns in COLUMNS.items():
        fields = ", ".join(f"{name}: {kind}" for name, kind in columns.items())
        comparisons = ", ".join(f"{name}: {kind}_comparison_exp" for name, kind in columns.items())
        parts.append(TABLE.replace("TABLE", table).replace("FIELDS", fields).replace("COMPARISONS", comparisons))
    return "\n".join(parts)


class Table:
    """Resolves a table's field with a SELECT. Names come from the schema, values are parameters."""

    def __init__(self, clickhouse: ClickHouse, name: str) -> None:
        self._clickhouse = clickhouse
        self._name = name

    def __call__(
        self, *_: Any, where: dict[str, Any], order_by: list[dict[str, str]], limit: int
    ) -> list[dict[str, Any]]:
        conditions, parameters = [], {}
        for column, comparison in where.items():
            for operator, value in comparison.items():
                name = f"p{len(parameters)}"
                kind = "Array(String)" if operator == "_in" else "String"
                conditions.append(f"{column} {OPERATORS[operator]} {{{name}:{kind}}}")
                parameters[name] = quote(value) if operator == "_in" else value
        query = f"SELECT * FROM sre.{self._name} WHERE {' AND '.join(conditions)}"  # noqa: S608
        order = ", ".join(f"{column} {way}" for part in order_by for column, way in part.items())
        return self._clickhouse.rows(f"{query} ORDER BY {order} LIMIT {limit}", **parameters)


def quote(values: list[str]) -> str:
    """An array as ClickHouse reads it from a parameter."""
    escaped = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return "[" + ", ".join(f"'{value}'" for value in escaped) + "]"
