"""What is said to people: sentences as values, the catalogues of each language, and how one becomes text.

A rule says ``said("rollout.aborted", stage=..., why=...)`` and nothing in any language: what it returns is a frozen
value that is stored, compared and passed on. It becomes text where a person reads it (``bot.slack``, ``bot.cli``), in
that person's language, by ``rendering`` and one of the catalogues ``en`` and ``zh_cn``. A changed sentence is changed
there, by its name, in the file of the room that says it; what stands on a card is in ``cards``. This room knows nothing
of rollouts, and everything else may use it.
"""
