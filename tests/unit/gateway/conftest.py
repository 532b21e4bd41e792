"""What several tests of the gateway's modules look at."""

import pytest

from gateway.records import log


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the log of the slot, piece by piece."""
    texts: list[str] = []
    monkeypatch.setattr(log, "write", texts.append)
    monkeypatch.setattr(log, "_open_line", None)
    return texts
