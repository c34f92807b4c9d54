"""What the bot says in English: every sentence by its name. How a template is written stands in ``rendering``.

The point first, then why, then what to do; at most 25 words a sentence. What a sentence rests on goes in by name, so
that another language may order it otherwise.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.endless": "without end",
    "words.seconds": "{n:second|seconds}",
    "words.minutes": "{n:minute|minutes}",
    "words.hours": "{n:hour|hours}",
}

ROLLOUT: Mapping[str, str] = {}

ANALYSIS: Mapping[str, str] = {}

PREFLIGHT: Mapping[str, str] = {}

CLUSTER: Mapping[str, str] = {}

CONTROLLER: Mapping[str, str] = {}

ADAPTERS: Mapping[str, str] = {}

SLACK: Mapping[str, str] = {}

CLI: Mapping[str, str] = {}

SETTINGS: Mapping[str, str] = {}

SENTENCES: Mapping[str, str] = {
    **WORDS,
    **ROLLOUT,
    **ANALYSIS,
    **PREFLIGHT,
    **CLUSTER,
    **CONTROLLER,
    **ADAPTERS,
    **SLACK,
    **CLI,
    **SETTINGS,
}
