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

SENTENCES: Mapping[str, str] = {
    **WORDS,
}
