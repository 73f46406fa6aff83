"""deploy/kubernetes: valid by the schemas of Kubernetes, and at one with the image and settings."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.program.runner import FLUSH_SECONDS
from service.settings.config import SETTINGS, load_config
from service.version import VERSION
from tests.conftest import StartGateway
from tests.deploy.dockerfile import read_dockerfile
from tests.documents import ROOT

FILES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
DOCUMENTS = [document for file in FILES for document in yaml.safe_load_all(file.read_text())]
# The oldest that is still in use and the newest that the library knows.
VERSIONS = ("1.27", kubernetes_validate.latest_version())

TEMPORARY = "/tmp"  # noqa: S108 - that of the image


def named(kind: str, name: str = "gateway") -> dict[str, Any]:
    (found,) = [d for d in DOCUMENTS if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = named("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    path = tmp_path / "config.yaml"
    path.write_text(named("ConfigMap")["data"]["config.yaml"])
    return load_config(path, {}).config


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_each_object_is_valid(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_what_selects_finds_the_pods() -> None:
    for owner, name in (("Deployment", "gateway"), ("StatefulSet", "redis")):
        template = named(owner, name)["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert named(owner, name)["spec"]["selector"]["matchLabels"] == labels
        service = named("Service", name)["spec"]
        assert service["selector"] == labels
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports
    assert named("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "gateway"
    }
    assert named("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "gateway"


def test_the_settings_are_valid_and_share_their_state(settings: Any) -> None:
    assert (
        settings.storage.state == f"redis://{named('Service', 'redis')['metadata']['name']}:6379/0"
    )
    assert settings.log.to_file is False
    assert container()["ports"][0]["containerPort"] == settings.server.port
    annotations = named("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(settings.server.port)


def test_variables_that_are_named_are_settings() -> None:
    known = {"GATEWAY_" + name.replace(".", "__").upper() for name in SETTINGS}
    assert {one["name"] for one in container().get("env", [])} <= known
    assert "GATEWAY_TOKENS__SECRET" in known


def test_draining_has_its_time(settings: Any) -> None:
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = pause + settings.server.drain_seconds + FLUSH_SECONDS
    assert pod()["terminationGracePeriodSeconds"] >= needed + 10


def test_it_runs_as_the_user_of_the_image_and_writes_to_volumes_only() -> None:
    image = read_dockerfile(ROOT)
    assert pod()["securityContext"]["runAsUser"] == image.uid
    assert pod()["securityContext"]["runAsNonRoot"] is True
    for one in (pod(), named("StatefulSet", "redis")["spec"]["template"]["spec"]):
        context = one["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    assert {path for path in image.volumes if path != "/app/log"} | {TEMPORARY} <= mounts.keys()
    assert set(mounts.values()) == {volume["name"] for volume in pod()["volumes"]}


def test_the_image_is_of_this_version() -> None:
    assert container()["image"] == f"backend-to-v1:{VERSION}"


async def test_the_probes_are_answered(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = container()[probe]["httpGet"]["path"]
        async with gateway.session.get(gateway.url + path) as response:
            assert response.status == 200, path


async def test_without_redis_and_upstream_the_probes_keep_the_gateway_in_service(
    start_gateway: StartGateway,
) -> None:
    nothing = "http://127.0.0.1:9"
    gateway = await start_gateway(nothing, storage={"state": "redis://127.0.0.1:9/0"})
    path = container()["readinessProbe"]["httpGet"]["path"]
    async with gateway.session.get(gateway.url + path) as response:
        assert response.status == 200
    async with gateway.session.get(f"{gateway.url}/readyz") as response:
        assert response.status == 503
