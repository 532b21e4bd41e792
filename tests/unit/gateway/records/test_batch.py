"""What a kernel stores of many requests until the control app has them."""

import json
import time
from typing import Any

from gateway.http.request import Request
from gateway.records.batch import MAX_BYTES, MAX_RECORDS, SMALL, Batch
from gateway.records.record import TRIMMED_BODY, TRIMMED_TEXT, Excerpt, Record

LARGE = 10_000


def add(batch: Batch, target: str, size: int = LARGE) -> None:
    """Add a request whose body, stderr and traceback are each of that size."""
    body, stderr, traceback = b"x" * size, Excerpt("e" * size, size), Excerpt("t" * (size - 3) + "end", size)
    request = Request("POST", target.encode(), {}, body)
    batch.add(Record(request, body, 200, [], b"", 0, 0, time.monotonic(), 0.1, stderr, traceback))


def records_of(batch: Batch) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(batch.encode("shop", ["/event"], "s", 0, 0))["records"]
    return records


def test_of_many_calls_the_last_are_kept_and_of_large_ones_the_newest_whole() -> None:
    batch = Batch()
    for number in range(MAX_RECORDS + 100):
        add(batch, f"/{number}")
    records = records_of(batch)
    assert [record["path"] for record in records] == [f"/{number}" for number in range(100, MAX_RECORDS + 100)]
    whole = MAX_BYTES // (3 * LARGE)
    for record in records[:-whole]:
        parts = [(record["request"]["body"], TRIMMED_BODY)]
        parts += [(record["stderr"], TRIMMED_TEXT), (record["traceback"], TRIMMED_TEXT)]
        for part, length in parts:
            assert (part["size"], part["cut"], len(part["text"])) == (LARGE, True, length)
        assert record["traceback"]["text"].endswith("end")
    for record in records[-whole:]:
        for part in (record["request"]["body"], record["stderr"], record["traceback"]):
            assert (part["size"], part["cut"], len(part["text"])) == (LARGE, False, LARGE)


def test_counts_of_two_batches_add_up() -> None:
    older, newer = Batch(), Batch()
    for batch in (older, newer):
        batch.count(0, "GET", 200, 0.1)
        batch.broken_off[0, "GET"] += 1
    older.merge(newer)
    message = json.loads(older.encode("shop", ["/event"], "s", 0, 0))
    assert message["project"] == "shop"
    assert (sum(message["requests"][0][4]), message["broken_off"]) == (2, [["/event", "GET", 2]])


def test_a_small_call_loses_nothing_to_large_ones() -> None:
    size = SMALL // 3
    assert size > TRIMMED_BODY, "else a trim would leave it as it is"
    batch = Batch()
    add(batch, "/small", size)
    for _ in range(MAX_RECORDS - 1):
        add(batch, "/large")
    first = records_of(batch)[0]
    assert first["path"] == "/small"
    for part in (first["request"]["body"], first["stderr"], first["traceback"]):
        assert (part["cut"], len(part["text"])) == (False, size)


def test_what_nobody_took_is_told_before_what_came_after_it() -> None:
    older, newer = Batch(), Batch()
    for number in range(150):
        add(older, f"/older/{number}")
        add(newer, f"/newer/{number}")
    older.merge(newer)
    records = records_of(older)
    assert [record["path"] for record in records] == [
        *(f"/older/{number}" for number in range(100, 150)),
        *(f"/newer/{number}" for number in range(150)),
    ]
    whole = [record["path"] for record in records if not record["request"]["body"]["cut"]]
    assert whole == [f"/newer/{number}" for number in range(150 - MAX_BYTES // (3 * LARGE), 150)]
