"""What the bot says in Chinese (简体中文): the same sentences as ``en``, written anew, with the same things in them.

Terms are those of Istio's and Kubernetes' Chinese pages; names of API kinds, services, versions and commands stay as
they are. Full-width punctuation, half-width digits, a space before ``%``.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.endless": "无限期",
    "words.seconds": "{n} 秒",
    "words.minutes": "{n} 分钟",
    "words.hours": "{n} 小时",
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
