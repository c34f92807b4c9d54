"""canary-bot: mirrored canary releases on Istio, run from Slack."""
