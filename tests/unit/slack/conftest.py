"""A Slack on loopback for every test that needs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.slack_client import FakeSlack


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake
