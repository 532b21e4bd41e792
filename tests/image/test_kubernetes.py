"""The files under deploy/kubernetes, held to Kubernetes' schemas and to what the image is."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.image.container import ROOT

FILES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
VERSIONS = ["1.31", "1.37"]  # the oldest and the newest that we say anything about


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def container() -> Any:
    [container] = load("deployment")["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_what_kubernetes_accepts(path: Path, version: str) -> None:
    kubernetes_validate.validate(yaml.safe_load(path.read_text(encoding="utf-8")), version, strict=True)


def test_there_are_all_four() -> None:
    kinds = {yaml.safe_load(path.read_text(encoding="utf-8"))["kind"] for path in FILES}

    assert kinds == {"Deployment", "Service", "Secret", "PersistentVolumeClaim"}


def test_the_service_finds_the_pods_and_their_port(container: Any) -> None:
    service, deployment = load("service")["spec"], load("deployment")["spec"]

    assert service["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_the_password_is_where_the_container_looks_for_it(container: Any) -> None:
    [variable] = [variable for variable in container["env"] if "PASSWORD" in variable["name"]]
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "password"]

    assert variable["name"] == "NOTEBOOK_PASSWORD_FILE"
    assert variable["value"] == f"{mount['mountPath']}/{next(iter(load('secret')['stringData']))}"


def test_the_password_in_the_file_is_one_that_the_stack_refuses() -> None:
    assert len(load("secret")["stringData"]["password"]) < 8


def test_everything_that_must_be_writable_is_mounted_and_belongs_to_the_images_user(container: Any) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    pod = load("deployment")["spec"]["template"]["spec"]

    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/notebook", "/run", "/tmp"}  # noqa: S108
    assert re.search(r"^USER (\d+):(\d+)$", dockerfile, re.M).groups() == (  # type: ignore[union-attr]
        str(pod["securityContext"]["runAsUser"]),
        str(pod["securityContext"]["runAsGroup"]),
    )


def test_all_three_probes_ask_for_healthz(container: Any) -> None:
    probes = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")]

    assert probes == ["/healthz"] * 3
