"""Values and nothing else: what a rollout is, what was seen and measured, what a service wants. Pure."""
