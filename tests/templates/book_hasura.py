"""Hasura with PostgreSQL behind it: the table and the function of book_recommendation, answered by real SQL."""

import re
from typing import Any

import nbformat
import psycopg
from ariadne import MutationType, QueryType, ScalarType
from graphql import GraphQLError
from psycopg import sql
from psycopg.rows import dict_row

from tests.support.graphql_server import GraphQLServer
from tests.support.stack import ROOT

COLUMNS = ("id", "title", "author", "description", "embedding", "embedded_text")
OPERATORS = {"_eq": sql.SQL("{} = {}"), "_is_null": sql.SQL("({} IS NULL) = {}")}
SCHEMA = """
    scalar uuid
    scalar vector
    type Query {
        book(where: book_bool_exp): [book!]!
        book_by_pk(id: uuid!): book
        search_books(args: search_books_args!): [book!]!
    }
    type Mutation {
        insert_book(objects: [book_insert_input!]!, on_conflict: book_on_conflict): book_mutation_response
        update_book(where: book_bool_exp!, _set: book_set_input): book_mutation_response
    }
    type book {
        id: uuid!, title: String!, author: String!, description: String!, embedding: vector, embedded_text: String
    }
    type book_mutation_response { affected_rows: Int! }
    input uuid_comparison_exp { _eq: uuid, _is_null: Boolean }
    input vector_comparison_exp { _eq: vector, _is_null: Boolean }
    input String_comparison_exp { _eq: String, _is_null: Boolean }
    input book_bool_exp {
        id: uuid_comparison_exp, title: String_comparison_exp, author: String_comparison_exp,
        description: String_comparison_exp, embedding: vector_comparison_exp, embedded_text: String_comparison_exp
    }
    input book_insert_input {
        id: uuid, title: String, author: String, description: String, embedding: vector, embedded_text: String
    }
    input book_set_input {
        id: uuid, title: String, author: String, description: String, embedding: vector, embedded_text: String
    }
    enum book_constraint { book_pkey }
    enum book_update_column { id, title, author, description, embedding, embedded_text }
    input book_on_conflict { constraint: book_constraint!, update_columns: [book_update_column!]! }
    input search_books_args { query_embedding: vector, match_limit: Int }
"""


def tables() -> str:
    """The SQL that insert_data.ipynb gives its reader to paste."""
    notebook = nbformat.read(ROOT / "notebook/book_recommendation/insert_data.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return "\n".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL))


class Books:
    """The table, and what Hasura makes of it. `address`: of a PostgreSQL."""

    def __init__(self, address: str) -> None:
        self._address = address

    def serve(self) -> GraphQLServer:
        """A GraphQL server whose answers come from the database."""
        query, mutation = QueryType(), MutationType()
        vector = ScalarType("vector", value_parser=_text)
        query.set_field("book", lambda *_, where=None: self._select(where or {}))
        query.set_field("book_by_pk", lambda *_, id: next(iter(self._select({"id": {"_eq": id}})), None))
        query.set_field("search_books", lambda *_, args: self._search(**args))
        mutation.set_field("insert_book", self._insert)
        mutation.set_field("update_book", self._update)
        return GraphQLServer(SCHEMA, query, mutation, ScalarType("uuid", serializer=str), vector)

    def run(self, statement: sql.Composable | str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows that one statement gives, or how many it wrote, under `affected_rows`."""
        with psycopg.connect(self._address, row_factory=dict_row) as connection:
            text = sql.SQL(statement) if isinstance(statement, str) else statement  # type: ignore[arg-type]
            cursor = connection.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else [{"affected_rows": cursor.rowcount}]

    def _answer(self, statement: sql.Composable | str, *parameters: Any) -> list[dict[str, Any]]:
        try:
            return self.run(statement, *parameters)
        except psycopg.DataError as error:
            message = error.diag.message_primary or "data exception"
            raise GraphQLError(message, extensions={"path": "$", "code": "data-exception"}) from error

    def _select(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        return self._answer(sql.SQL("SELECT * FROM book WHERE {}").format(_condition(where)))

    def _search(self, query_embedding: str, match_limit: int) -> list[dict[str, Any]]:
        return self._answer("SELECT * FROM search_books(%s, %s)", query_embedding, match_limit)

    def _update(self, *_: Any, where: dict[str, Any], _set: dict[str, Any]) -> dict[str, Any]:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in _set.items()
        )
        return self._answer(sql.SQL("UPDATE book SET {} WHERE {}").format(assignments, _condition(where)))[0]

    def _insert(
        self, *_: Any, objects: list[dict[str, Any]], on_conflict: dict[str, Any] | None = None
    ) -> dict[str, int]:
        row_count = 0
        for row in objects:
            columns = sql.SQL(", ").join(map(sql.Identifier, row))
            values = sql.SQL(", ").join(map(sql.Literal, row.values()))
            statement = sql.SQL("INSERT INTO book ({}) VALUES ({})").format(columns, values)
            if on_conflict:
                names = map(sql.Identifier, on_conflict["update_columns"])
                assignments = (sql.SQL("{0} = excluded.{0}").format(name) for name in names)
                conflict = sql.SQL(" ON CONFLICT ON CONSTRAINT book_pkey DO UPDATE SET {}")
                statement += conflict.format(sql.SQL(", ").join(assignments))
            row_count += self._answer(statement)[0]["affected_rows"]
        return {"affected_rows": row_count}


def _condition(where: dict[str, dict[str, Any]]) -> sql.Composable:
    parts = [
        OPERATORS[operator].format(sql.Identifier(column), value)
        for column, comparison in where.items()
        for operator, value in comparison.items()
    ]
    return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def _text(value: Any) -> str:
    """Hasura takes a value of a type that it does not know, such as pgvector's, as a text."""
    if not isinstance(value, str):
        raise GraphQLError("expected a string for type 'vector'", extensions={"path": "$", "code": "parse-failed"})
    return value
