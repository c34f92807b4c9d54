"""Words that every room's sentences use, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.of_system": "{system}: {sentence}",
    "words.with_reasons": "{sentence}{reasons:lines}",
    "words.endless": "without end",
    "words.seconds": "{n:second|seconds}",
    "words.minutes": "{n:minute|minutes}",
    "words.days": "{n:day|days}",
    "words.hours": "{n:hour|hours}",
    "words.version": "version {version}",
}
