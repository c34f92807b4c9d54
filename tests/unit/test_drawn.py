"""Documents and manifests that must agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bot.adapters.kube import KINDS
from bot.settings.variables import VARIABLES
from bot.slack.parsing import GRAMMAR
from sandbox.scenarios import SCENARIOS
from scripts.draw import drawn

ROOT = Path(__file__).parent.parent.parent


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", drawn())
def test_a_drawn_document_is_current_or_make_docs_was_forgotten(path: str) -> None:
    assert text(path) == drawn()[path]


def test_the_readme_names_every_scenario_and_every_command() -> None:
    readme = text("README.md")

    assert [name for name in SCENARIOS if f"| `{name}` |" not in readme] == []
    assert [verb for verb in GRAMMAR if verb not in readme] == []


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text(page)) if not link.startswith("http")]

    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_image_runs_as_nobody_and_holds_the_bot_alone() -> None:
    dockerfile = text("Dockerfile")
    last = dockerfile.split("\nFROM ")[-1]
    sources = [line.split()[1] for line in dockerfile.splitlines() if re.match(r"COPY (?!--from)", line)]

    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert "sandbox" not in dockerfile
    assert all((ROOT / source).exists() for source in sources)


def test_the_deployment_sets_only_settings_that_exist_and_probes_what_is_served() -> None:
    deployment = yaml.safe_load(text("deploy/deployment.yaml"))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    known = {variable.name for variable in VARIABLES}

    assert {entry["name"] for entry in container["env"]} <= known
    assert set(yaml.safe_load(text("deploy/secret.example.yaml"))["stringData"]) <= known
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


# What the adapters ask for, by kind; read access is needed for each kind they look at.
READ = ("VirtualService", "DestinationRule", "Deployment", "ReplicaSet", "Pod", "Service")


def test_the_role_grants_what_the_adapters_ask_for_and_no_secret() -> None:
    roles = [doc for doc in yaml.safe_load_all(text("deploy/rbac.yaml")) if doc["kind"] == "Role"]
    granted = {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    needed = {(KINDS[kind].group, KINDS[kind].plural, verb) for kind in READ for verb in ("get", "list")}
    needed |= {
        ("networking.istio.io", "virtualservices", "update"),
        ("apps", "deployments", "patch"),
        ("apps", "deployments/scale", "patch"),
        ("networking.istio.io", "gateways", "get"),
    }

    assert needed - granted == set()
    assert not {resource for _, resource, _ in granted} & {"secrets", "configmaps", "*"}


def test_the_shipped_services_are_the_documented_ones() -> None:
    assert text("deploy/services.yaml") == text("services.yaml")
