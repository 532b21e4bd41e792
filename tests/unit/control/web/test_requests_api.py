"""`/process/requests…`: JSON shapes and status codes."""

from flask.testing import FlaskClient

from tests.unit.control.web.conftest import AddRecord


def test_a_list_and_one_call_are_told_as_json(recording_client: FlaskClient, add: AddRecord) -> None:
    number = add()
    (short,) = recording_client.get("/process/requests").json["requests"]
    assert short == {
        "id": number,
        "time": "2023-11-14T22:13:20.500+00:00",
        "method": "POST",
        "path": "/invoke/a?b=1",
        "endpoint": "/a",
        "status": 200,
        "milliseconds": 12.5,
        "request_size": 2,
        "response_size": 2,
        "request_id": "r1",
        "refused": False,
    }
    whole = recording_client.get(f"/process/requests/{number}").json
    assert whole["response"]["body"]["text"] == "{}"
    missing = recording_client.get("/process/requests/nothing")
    assert (missing.status_code, "no longer stored" in missing.json["message"]) == (404, True)


def test_a_replay_of_what_nobody_serves_is_told(recording_client: FlaskClient, add: AddRecord) -> None:
    answer = recording_client.post(f"/process/requests/{add()}/replay")
    assert (answer.status_code, answer.json["message"]) == (409, "Nothing is being served. Start the API first.")


def test_a_replay_that_another_site_causes_is_refused(recording_client: FlaskClient, add: AddRecord) -> None:
    number = add()
    for path in (f"/process/requests/{number}/replay", f"/requests/{number}"):
        assert recording_client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
