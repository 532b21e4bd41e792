"""What a kernel keeps of many calls until the control app takes them in."""

import json
import time
from typing import Any

from gateway.http.request import Request
from gateway.records.batch import MOST_BYTES, MOST_RECORDS, SMALL, Batch
from gateway.records.record import BODY_TRIMMED, TEXT_TRIMMED, Excerpt

LARGE = 10_000


def keep(batch: Batch, target: str, size: int = LARGE) -> None:
    """A call whose body, stderr and traceback are each of that size."""
    sent, stderr, trace = b"x" * size, Excerpt("e" * size, size), Excerpt("t" * (size - 3) + "end", size)
    request = Request("POST", target.encode(), {}, sent)
    batch.keep([sent, b"", stderr, trace, 3 * size, request, 200, [], 0, 0, time.monotonic(), 0.1])


def told(batch: Batch) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(batch.encode(["/event"]))["records"]
    return records


def test_of_many_calls_the_last_are_kept_and_of_large_ones_the_newest_whole() -> None:
    batch = Batch()
    for number in range(MOST_RECORDS + 100):
        keep(batch, f"/{number}")
    records = told(batch)
    assert [record["path"] for record in records] == [f"/{number}" for number in range(100, MOST_RECORDS + 100)]
    whole = MOST_BYTES // (3 * LARGE)
    for record in records[:-whole]:
        parts = [(record["request"]["body"], BODY_TRIMMED)]
        parts += [(record["stderr"], TEXT_TRIMMED), (record["traceback"], TEXT_TRIMMED)]
        for kept, left in parts:
            assert (kept["size"], kept["cut"], len(kept["text"])) == (LARGE, True, left)
        assert record["traceback"]["text"].endswith("end")
    for record in records[-whole:]:
        for kept in (record["request"]["body"], record["stderr"], record["traceback"]):
            assert (kept["size"], kept["cut"], len(kept["text"])) == (LARGE, False, LARGE)


def test_a_small_call_loses_nothing_to_large_ones() -> None:
    size = SMALL // 3
    assert size > BODY_TRIMMED, "else a trim would leave it as it is"
    batch = Batch()
    keep(batch, "/small", size)
    for _ in range(MOST_RECORDS - 1):
        keep(batch, "/large")
    first = told(batch)[0]
    assert first["path"] == "/small"
    for kept in (first["request"]["body"], first["stderr"], first["traceback"]):
        assert (kept["cut"], len(kept["text"])) == (False, size)


def test_what_nobody_took_is_told_before_what_came_after_it() -> None:
    older, newer = Batch(), Batch()
    for number in range(150):
        keep(older, f"/older/{number}")
        keep(newer, f"/newer/{number}")
    older.absorb(newer)
    records = told(older)
    assert [record["path"] for record in records] == [
        *(f"/older/{number}" for number in range(100, 150)),
        *(f"/newer/{number}" for number in range(150)),
    ]
    whole = [record["path"] for record in records if not record["request"]["body"]["cut"]]
    assert whole == [f"/newer/{number}" for number in range(150 - MOST_BYTES // (3 * LARGE), 150)]
