"""Where people are: what they type and click on the way in, cards and lines on the way out. No decision is made here.

Another chat system is a folder beside this one, over the same ``bot.controller.controller_port``.

Pure: ``parsing`` (what was typed), ``blocks``, ``gate_rows``, ``cards``, ``thread``, ``replies``, ``views`` (what is
shown). With a clock and a network: ``web_api`` and ``delivery`` (words to Slack), ``approvers`` (who may decide),
``listeners`` and ``bolt_app`` (words from Slack), ``connection`` (the wire they come over).
"""
