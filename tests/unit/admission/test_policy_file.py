"""The file itself: each policy is as its API wants it, says why in plain sentences, and is about the right accounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from sandbox.kube.policies import Policies
from tests.unit.admission.rules import BOT, DOCUMENTS, WATCHDOG

DEPLOY = Path(__file__).parents[3] / "deploy"
KINDS = {
    "ValidatingAdmissionPolicy": client.V1ValidatingAdmissionPolicy,
    "ValidatingAdmissionPolicyBinding": client.V1ValidatingAdmissionPolicyBinding,
}
SPECS = {one["metadata"]["name"]: one["spec"] for one in DOCUMENTS if one["kind"] == "ValidatingAdmissionPolicy"}
BINDINGS = [one for one in DOCUMENTS if one["kind"] == "ValidatingAdmissionPolicyBinding"]


def unknown(value: Any, kind: str, path: str = "") -> list[str]:
    """Fields that the official client's model of a kind does not have."""
    if kind.lower().startswith("list["):
        return [found for item in value for found in unknown(item, kind[5:-1], f"{path}[]")]
    if not kind.startswith("V1"):
        return []
    model: Any = getattr(client, kind)
    types = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    here = [f"{path}.{name}" for name in value.keys() - types.keys()]
    return here + [one for name in value.keys() & types for one in unknown(value[name], types[name], f"{path}.{name}")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: f"{one['kind']}/{one['metadata']['name']}")
def test_the_api_server_knows_every_field(document: dict[str, Any]) -> None:
    assert document["apiVersion"] == "admissionregistration.k8s.io/v1"
    assert unknown(document, KINDS[document["kind"]].__name__) == []


def test_every_policy_is_bound_denies_and_fails_closed() -> None:
    assert [one["spec"]["policyName"] for one in BINDINGS] == list(SPECS)
    assert [one["metadata"]["name"] for one in BINDINGS] == list(SPECS)
    assert {tuple(one["spec"]["validationActions"]) for one in BINDINGS} == {("Deny", "Audit")}
    assert {spec["failurePolicy"] for spec in SPECS.values()} == {"Fail"}
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text(encoding="utf-8"))
    assert "admissionpolicy.yaml" not in kustomization["resources"]


@pytest.mark.parametrize("name", SPECS)
def test_every_rule_says_in_a_sentence_what_may_be_done(name: str) -> None:
    for rule in SPECS[name]["validations"]:
        assert rule["message"][0].isupper() or rule["message"].startswith("canary-bot ")
        assert rule["message"].endswith(".")
        assert "\n" not in rule["message"]


@pytest.mark.parametrize("name", SPECS)
def test_what_is_compared_whole_is_compared_once_and_not_for_every_route(name: str) -> None:
    """A real API server took 10 s for a heartbeat on 512 routes: for each of them it compared all."""
    whole = re.compile(r"variables\.\w+ [!=]= variables\.\w+(?![\w.\[])")
    variables = {one["expression"] for one in SPECS[name].get("variables", ())}
    expressions = [one["expression"] for key in ("variables", "validations") for one in SPECS[name].get(key, ())]

    for expression in expressions:
        assert (expression in variables and whole.fullmatch(expression)) or not whole.search(expression)


def test_the_policies_are_about_the_two_accounts_and_one_about_everybody_else() -> None:
    manifests = [
        yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))
        for name in ("serviceaccount.yaml", "watchdog.yaml")
    ]
    made = [one["metadata"] for manifest in manifests for one in manifest if one["kind"] == "ServiceAccount"]
    ours = f"request.userInfo.username in ['{BOT}', '{WATCHDOG}']"
    conditions = {name: [one["expression"] for one in spec["matchConditions"]] for name, spec in SPECS.items()}

    assert [f"system:serviceaccount:{one['namespace']}:{one['name']}" for one in made] == [BOT, WATCHDOG]
    assert conditions.pop("canary-bot-annotations") == [f"!({ours})"]
    assert conditions == {name: [ours] for name in SPECS if name != "canary-bot-annotations"}


def test_what_the_stand_in_does_not_model_is_no_policy_of_ours() -> None:
    params = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "a"}, "spec": {"paramKind": {}}}

    with pytest.raises(ValueError, match="not modelled: paramKind"):
        Policies([params])
