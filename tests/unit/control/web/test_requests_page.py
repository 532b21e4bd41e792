"""The pages of requests: escaping, versions and limits."""

import pytest
from flask.testing import FlaskClient

from control.traffic.replay import ReplayResult
from control.web import requests_page
from tests.unit.control.web.conftest import AddRecord

EVIL = "<img src=x onerror=alert(1)>"


def test_nothing_that_a_caller_sends_becomes_markup(recording_client: FlaskClient, add: AddRecord) -> None:
    body = {"size": 9, "cut": False, "text": EVIL}
    text = {"size": 9, "cut": True, "text": EVIL}
    message = {"headers": [[EVIL, EVIL], ["Content-Type", EVIL]], "body": body}
    exchange_id = add(method=EVIL, path=f"/invoke/{EVIL}", endpoint=EVIL, request_id=EVIL, request=message,
                 response=message, stderr=text, traceback=text)  # fmt: skip
    for path in ("/requests", f"/requests/{exchange_id}", f"/requests?text={EVIL}"):
        page = recording_client.get(path).text
        assert "img src=x" in page
        assert "<img" not in page
    again = recording_client.post(f"/requests/{exchange_id}")
    assert (again.status_code, "<img" in again.text) == (409, False)


def test_a_response_that_broke_off_is_shown_as_failed(recording_client: FlaskClient, add: AddRecord) -> None:
    add(path="/invoke/whole")
    exchange_id = add(path="/invoke/broken", at=1_800_000_000.0, is_broken_off=True)
    (summary, _) = recording_client.get("/process/requests").json["requests"]
    assert (summary["status"], summary["broken_off"]) == (200, True)
    for filters in ("failed=1", "text=broken+off"):
        page = recording_client.get(f"/requests?{filters}").text
        assert ("/broken" in page, "/whole" in page, "entry is-error" in page) == (True, False, True)
        assert '<span class="visually-hidden">, broken off</span>' in page
    page = recording_client.get(f"/requests/{exchange_id}").text
    assert '<p class="state">200 OK, broken off</p>' in page
    assert "card status is-failed" in page


def test_a_page_version_that_was_seen_is_not_sent_again(recording_client: FlaskClient, add: AddRecord) -> None:
    add()
    seen = recording_client.get("/requests").text.partition('name="seen" value="')[2].partition('"')[0]
    assert recording_client.get(f"/requests?seen={seen}").status_code == 204
    add(at=1_800_000_000.0)
    assert recording_client.get(f"/requests?seen={seen}").status_code == 200


def test_the_project_is_shown_where_several_have_requests(recording_client: FlaskClient, add: AddRecord) -> None:
    add("shop", path="/invoke/first")
    assert '<span class="project">' not in recording_client.get("/requests").text
    exchange_id = add("b/deep", path="/apis/b.deep/second?c=1", at=1_800_000_000.0)
    page = recording_client.get("/requests").text
    assert [page.count(f'<span class="project">{name}</span>') for name in ("shop", "b/deep")] == [1, 1]
    assert "</span> /second?c=1</span>" in page
    page = recording_client.get(f"/requests/{exchange_id}").text
    assert "Project <code>b/deep</code>." in page
    assert '<span class="method">POST</span> /second?c=1</h1>' in page


def test_the_list_can_be_limited_to_a_project_and_links_keep_that(
    recording_client: FlaskClient, add: AddRecord
) -> None:
    add("shop", path="/invoke/first")
    exchange_id = add("b/deep &", path="/apis/b.deep%20&/second", at=1_800_000_000.0)
    page = recording_client.get("/requests?notebook=b/deep+%26").text
    assert ("/second" in page, "/first" in page, '<span class="project">' in page) == (True, False, False)
    assert "<option selected>b/deep &amp;</option>" in page
    assert f'href="/requests/{exchange_id}?notebook=b%2Fdeep+%26"' in page
    page = recording_client.get(f"/requests/{exchange_id}?notebook=b/deep+%26").text
    assert 'href="/requests?notebook=b%2Fdeep+%26"' in page
    assert f'action="/requests/{exchange_id}?notebook=b%2Fdeep+%26#replay"' in page
    page = recording_client.get("/requests?notebook=other").text
    assert "None of the last 2 requests matches." in page
    assert "<option selected>other</option>" in page


@pytest.mark.parametrize("rows", ["0", "-5", "100000", "x"])
def test_an_invalid_number_of_rows_is_corrected(recording_client: FlaskClient, add: AddRecord, rows: str) -> None:
    add()
    assert recording_client.get(f"/requests?rows={rows}").status_code == 200


@pytest.mark.parametrize("text", ["[" * 900 + ",".join(["1"] * 30_000) + "]" * 900, "\n" * 65_000, '"' * 65_000])
def test_a_page_is_not_much_larger_than_the_bodies_on_it(
    recording_client: FlaskClient, add: AddRecord, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"headers": [], "body": {"size": len(text), "cut": False, "text": text}}
    exchange_id = add(request=message, response=message, path="/invoke/" + "x" * 16_000)
    assert len(recording_client.get(f"/requests/{exchange_id}").text) < 1_000_000
    monkeypatch.setattr(requests_page, "replay_exchange", lambda exchange: ReplayResult(exchange, exchange, []))
    assert len(recording_client.post(f"/requests/{exchange_id}").text) < 1_500_000
    assert len(recording_client.get("/requests").text) < 10_000
