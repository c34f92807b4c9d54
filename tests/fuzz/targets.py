"""All targets by name, and the inputs that are known for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.fuzz import cluster, figures, settings, slack, stored_documents
from tests.fuzz.law import Target

CORPUS = Path(__file__).parent / "corpus"

TARGETS: Mapping[str, Target] = {
    "slash": slack.slash,
    "forms": slack.forms,
    "payloads": slack.payloads,
    "services": settings.services,
    "env": settings.env,
    "prometheus": figures.prometheus,
    "promql": figures.promql,
    "kube-answers": cluster.answers,
    "kube-paths": cluster.paths,
    "virtual-service": cluster.virtual_service,
    "workloads": cluster.workloads,
    "snapshot": cluster.snapshot,
    "annotations": cluster.annotations_of_routes,
    "documents": stored_documents.documents,
    "signatures": stored_documents.signed,
    "logs": stored_documents.log_lines,
}


def seeds(name: str) -> list[bytes]:
    """The inputs that are known for a target: usual ones, and those that broke the law once."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
