"""`/process/requests…`: JSON shapes and status codes."""

from pathlib import Path

from flask.testing import FlaskClient

from tests.unit.control.web.conftest import AddRecord


def test_the_list_and_one_request_are_returned_as_json(recording_client: FlaskClient, add: AddRecord) -> None:
    exchange_id = add()
    (summary,) = recording_client.get("/process/requests").json["requests"]
    assert summary == {
        "id": exchange_id,
        "project": "shop",
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


def test_the_requests_of_one_project_are_listed_alone(
    recording_client: FlaskClient, add: AddRecord, tmp_path: Path
) -> None:
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet" / "server.py").touch()
    add("shop", request_id="first")
    add("b/deep", request_id="second", at=1_800_000_000.0)

    def ids(query: str) -> list[str]:
        return [each["request_id"] for each in recording_client.get(f"/process/requests{query}").json["requests"]]

    assert ids("") == ids("?notebook=") == ["second", "first"]
    # A project that has been deleted or renamed since has its requests still.
    assert [ids(f"?notebook={name}") for name in ("shop", "b/deep", "quiet", "quiet/server.py")] == [
        ["first"],
        ["second"],
        [],
        [],
    ]
    unknown = recording_client.get("/process/requests?notebook=shp")
    assert (unknown.status_code, "no project 'shp'" in unknown.json["message"]) == (404, True)


def test_a_replay_while_nothing_is_served_is_rejected(recording_client: FlaskClient, add: AddRecord) -> None:
    response = recording_client.post(f"/process/requests/{add()}/replay")
    assert (response.status_code, response.json["message"]) == (409, "shop is not being served. Start it first.")


def test_a_replay_that_another_site_causes_is_rejected(recording_client: FlaskClient, add: AddRecord) -> None:
    exchange_id = add()
    for path in (f"/process/requests/{exchange_id}/replay", f"/requests/{exchange_id}"):
        assert recording_client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
