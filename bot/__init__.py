"""canary-bot: mirrored canary releases on Istio, run from Slack.

What is new, and the folder where it begins (docs/architecture.md names the files):

- a gate, or whatever else says that figures are bad: ``analysis``;
- a reason not to begin (a preflight check): ``preflight``;
- another mesh, store or source of figures: ``adapters`` asks it, ``cluster`` understands what its objects say;
- another chat system: a folder beside ``slack``;
- a notification, or another rule of what may happen: ``rollout`` decides it, ``slack`` shows it;
- a sentence: ``words``, in ``en`` and ``zh_cn``;
- a setting: ``settings`` reads it, ``model`` holds it;
- a command of the shell: ``cli``; a metric or a probe: ``probes``.
"""
