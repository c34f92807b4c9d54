"""Where people are: what they type and click on the way in, cards and lines on the way out. No decision is made here.

Pure: ``parsing`` (what was typed), ``blocks``, ``figures``, ``cards``, ``thread``, ``replies``, ``views`` (what is
shown). With a clock and a network: ``web_api`` and ``delivery`` (words to Slack), ``approvers`` (who may decide),
``listeners`` and ``bolt_app`` (words from Slack), ``connection`` (the wire they come over).
"""
