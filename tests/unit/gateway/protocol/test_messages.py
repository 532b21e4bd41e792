"""The messages between the arbiter and its workers."""

from gateway.protocol.messages import Cell, Config, Endpoint, StaticText, decode, encode


def test_a_configuration_survives_its_journey() -> None:
    config = Config(
        endpoints=(
            Endpoint("GET", "/a", (Cell(1, "x"),), (Cell(2, "y"),), 1.5),
            Endpoint("PUT", "/b", (Cell(3, ""),)),
        ),
        static={"/a": StaticText("application/json", "{}"), "/b": StaticText("text/plain", "x", "y")},
    )
    line = encode({"do": "serve", "config": config.to_json()})
    assert line.count(b"\n") == 1
    assert Config.from_json(decode(line)["config"]) == config
