"""`/process/requests…`: JSON shapes and status codes."""

from flask.testing import FlaskClient

from tests.unit.control.web.conftest import AddRecord


def test_the_list_and_one_request_are_returned_as_json(recording_client: FlaskClient, add: AddRecord) -> None:
    exchange_id = add()
    (summary,) = recording_client.get("/process/requests").json["requests"]
    assert summary == {
        "id": exchange_id,
        "time": "2023-11-14T22:13:20.500+00:00",
        "method": "POST",
        "path": "/invoke/a?b=1",
        "endpoint": "/a",
        "status": 200,
        "broken_off": False,
        "milliseconds": 12.5,
        "request_size": 2,
        "response_size": 2,
        "request_id": "r1",
        "refused": False,
    }
    details = recording_client.get(f"/process/requests/{exchange_id}").json
    assert details["response"]["body"]["text"] == "{}"
    missing = recording_client.get("/process/requests/nothing")
    assert (missing.status_code, "no longer stored" in missing.json["message"]) == (404, True)


def test_a_replay_while_nothing_is_served_is_rejected(recording_client: FlaskClient, add: AddRecord) -> None:
    response = recording_client.post(f"/process/requests/{add()}/replay")
    assert (response.status_code, response.json["message"]) == (409, "Nothing is being served. Start the API first.")


def test_a_replay_that_another_site_causes_is_rejected(recording_client: FlaskClient, add: AddRecord) -> None:
    exchange_id = add()
    for path in (f"/process/requests/{exchange_id}/replay", f"/requests/{exchange_id}"):
        assert recording_client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
