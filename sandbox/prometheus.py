"""A real Prometheus for the rehearsal; whom it scrapes is written by the mesh into a file it watches."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.loopback_program import LoopbackProgram
from sandbox.processes import Program, answers, find_program


class Prometheus(LoopbackProgram):
    """prometheus, whose data outlives an outage.

    ``targets`` is a file_sd file. It may appear and change at any time; Prometheus hands changes to its scraper
    every five seconds at most, as it does with the pods of a real cluster.
    """

    def __init__(
        self, directory: Path, *, scrape_seconds: float = 5, targets: Path | None = None, retention: str = "1h"
    ) -> None:
        super().__init__(directory)
        self._retention = retention
        self._configuration = directory / "prometheus.json"
        self._configuration.write_text(
            json.dumps(_configuration(scrape_seconds, targets or directory / "targets.json"), indent=2)
        )
        self.program = Program(
            self._argv(directory), log=directory / "prometheus.log", ready=answers(self.port, "/-/ready")
        )

    @property
    def url(self) -> str:
        """The address for ``PROMETHEUS_URL``."""
        return f"http://{self.address}"

    def _argv(self, directory: Path) -> list[str]:
        return [
            find_program("prometheus"),
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--storage.tsdb.retention.time={self._retention}",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
        ]


def _configuration(scrape_seconds: float, targets: Path) -> dict[str, object]:
    interval = f"{round(scrape_seconds * 1000)}ms"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [
            {
                "job_name": "kubernetes-pods",
                "metrics_path": "/stats/prometheus",
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}],
            }
        ],
    }
