"""Words that every room's sentences use, in Chinese."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.of_system": "{system}：{sentence}",
    "words.with_reasons": "{sentence}{reasons:lines}",
    "words.endless": "无限期",
    "words.seconds": "{n} 秒",
    "words.minutes": "{n} 分钟",
    "words.days": "{n} 天",
    "words.hours": "{n} 小时",
    "words.version": "版本 {version}",
}
