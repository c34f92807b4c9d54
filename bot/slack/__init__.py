"""Where people are: what they type and click on the way in, cards and lines on the way out. No decision is made here.

Pure: ``parsing`` (what was typed), ``blocks``, ``figures``, ``cards``, ``lines``, ``answers``, ``views`` (what is
shown). With a clock and a network: ``channel`` and ``courier`` (words to Slack), ``approvers`` (who may decide),
``listeners`` and ``app`` (words from Slack), ``connection`` (the wire they come over).
"""
