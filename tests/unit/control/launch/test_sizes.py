"""The files for compose and Kubernetes, and the image, fit what the settings allow."""

import re
from typing import Any

import pytest
import yaml

from control.config.settings import ROOT, Settings
from control.supervision.daemon import API_LOG_BYTES

MIB = 1024 * 1024
POOLS = 4  # of LARGE_BODY_LIMIT each: announced and unannounced bodies, for the API and for the owner
RUN_REST = 32 * MIB  # sockets, configuration, nginx's cache: far more than they take
IN_BYTES = {"m": MIB, "Mi": MIB, "Gi": 1024 * MIB}


@pytest.fixture
def settings() -> Settings:
    return Settings.from_env({"RUN_DIR": "/tmp/r"})  # noqa: S108 a checkout may lie too deep for the default


def of_file(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def in_bytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", size).groups()  # type: ignore[union-attr]
    return int(number) * IN_BYTES[unit]


def run_sizes() -> dict[str, int]:
    """How large /run may become, in memory."""
    volumes = of_file("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"]["volumes"]
    (kubernetes,) = [volume["emptyDir"]["sizeLimit"] for volume in volumes if volume["name"] == "run"]
    (compose,) = [
        mount.partition("size=")[2]
        for mount in of_file("docker-compose.yml")["services"]["notebook"]["tmpfs"]
        if mount.startswith("/run:")
    ]
    return {"kubernetes": in_bytes(kubernetes), "compose": in_bytes(compose)}


def body_dir() -> str:
    found = re.search(r"\bBODY_DIR=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert found
    return found[1]


def test_the_run_directory_holds_the_log_and_leaves_memory_to_the_programs() -> None:
    for name, size in run_sizes().items():
        assert size >= 2 * API_LOG_BYTES + RUN_REST, name
        assert size <= 256 * MIB, name


def test_large_bodies_wait_in_the_volume_and_not_in_memory() -> None:
    mounts = of_file("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (volume,) = [mount["mountPath"] for mount in mounts if mount["name"] == "notebooks"]
    service = of_file("docker-compose.yml")["services"]["notebook"]

    assert body_dir().startswith(f"{volume}/")
    assert service["volumes"] == [f"notebooks:{volume}"]
    assert not [mount for mount in service["tmpfs"] if body_dir().startswith(mount.partition(":")[0] + "/")]


def test_the_volume_holds_as_many_bodies_as_may_be_under_way(settings: Settings) -> None:
    claim = of_file("deploy/kubernetes/volume.yaml")["spec"]["resources"]["requests"]["storage"]

    assert POOLS * settings.large_body_limit * settings.max_body_mb * MIB <= in_bytes(claim) * 0.75


def test_nginx_counts_as_many_pools_as_the_documents_say() -> None:
    template = (ROOT / "conf" / "nginx.conf.j2").read_text(encoding="utf-8")
    kinds = re.findall(r'^ +".+" +(announced|unannounced);$', template, re.M)
    zones = re.findall(r"^ +limit_conn_zone \$large_body ", template, re.M)

    assert len(kinds) * len(zones) == POOLS
    document = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert f"{POOLS} x `LARGE_BODY_LIMIT` x `MAX_BODY_MB`" in document


def test_no_part_of_the_stack_fills_the_disk_with_its_log() -> None:
    options = of_file("docker-compose.yml")["services"]["notebook"]["logging"]["options"]

    assert in_bytes(options["max-size"]) * int(options["max-file"]) <= 100 * MIB
