"""What the process says of itself over HTTP, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "probes.silent": "has not answered for {time}.",
    "probes.not_asked": "could not be asked: an internal error ({error}); the log has more.",
    "probes.only_to_read": "There is only something to read here.",
    "probes.paths": "There are {paths}.",
    "probes.not_found_out": "readiness: not found out within {time}",
    "probes.ready_all_the_same": "{what} (ready all the same)",
    "probes.broken": "{what}: an internal error ({error}); the log has more",
    "probes.slack_not_connected": "Slack is not connected.",
}
