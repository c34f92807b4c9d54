"""Mistakes in the settings, as whoever set LANGUAGE to Chinese reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings.env import read_settings, spoken
from bot.settings.errors import SettingsError
from bot.settings.services import catalogue_of, read_or_do_without
from bot.words.language import Language
from bot.words.rendering import Voice, plain

CHINESE = Voice(language=Language.CHINESE)
FILE = Path("services.yaml")


def test_mistakes_in_the_environment_are_read_in_the_language_that_it_sets() -> None:
    environ = {"LANGUAGE": "zh_CN", "HISTORY_DAYS": "many", "PROMETHEUS_USERNAME": "canary"}

    with pytest.raises(SettingsError) as refused:
        read_settings(environ)

    assert plain(refused.value.text, spoken(environ)).splitlines() == [
        "环境变量中有 2 处错误：",
        "• PROMETHEUS_USERNAME 和 PROMETHEUS_PASSWORD 必须同时设置，现在只设置了一个",
        "• HISTORY_DAYS 必须是不小于 0 的整数，而不是“many”",
    ]


def test_the_language_and_the_command_are_known_where_everything_else_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LANGUAGE=zh_cn\nSLACK_COMMAND=/release\nPORT=x\nnonsense\n", encoding="utf-8")

    assert spoken({}, tmp_path / ".env") == Voice(language=Language.CHINESE, command="/release")
    assert spoken({"LANGUAGE": "tlh?"}) == Voice()


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (
            "services: {reviews: {bake: soon}}",
            'services.reviews.bake：必须是时长，例如 30s、5m 或 1h30m，而不是 "soon"',
        ),
        ("services: {reviews: {bakes: 1m}}", "services.reviews.bakes：不是已知的键；是否想写“bake”？"),
        ("services: {reviews: {weights: [20, 10]}}", "services.reviews.weights：权重必须递增"),
        ("services: {reviews: {host: [1, 2]}}", "services.reviews.host：必须是小写的 Kubernetes 名称，而不是 1、2"),
        ("services: {reviews: {promote: later}}", 'services.reviews.promote：必须是 "upgrade"、"git"或"adopt"'),
        ("", "services.yaml 第 1 行：文件是空的；请参考示例 services.yaml"),
    ],
)
def test_mistakes_in_services_yaml_are_chinese_with_their_lines(content: str, mistake: str) -> None:
    with pytest.raises(SettingsError) as refused:
        catalogue_of(content.encode(), FILE)

    assert any(mistake in plain(reason, CHINESE) for reason in refused.value.reasons)


def test_why_nothing_can_be_started_is_chinese_for_whoever_asks_in_chinese(tmp_path: Path) -> None:
    trouble = read_or_do_without(tmp_path / "nowhere.yaml").trouble

    assert plain(trouble, CHINESE).startswith("无法启动任何发布：无法读取")
    assert plain(trouble, CHINESE).endswith("`canary-bot check` 会列出所有错误。")
