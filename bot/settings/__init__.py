"""What operators say before the program starts: the environment (``env``) and the catalogue of services (``services``).

Both report every mistake at once, as sentences; what comes out is frozen and already checked. Nothing here reaches out
to Slack, Redis, Prometheus or the cluster: whether they answer is the business of ``canary-bot check``.
"""
