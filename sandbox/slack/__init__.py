"""A Slack workspace on one machine: Slack's Web API, Socket Mode and signed HTTP requests, and a page for people.

An unmodified Bolt app works against it: ``SLACK_API_URL`` is ``slack.url + "/api/"``. Not here: OAuth, other teams,
message search and history, anything enterprise.
"""

from sandbox.slack.model import Channel, Delivery, File, Message, User, UserGroup, View
from sandbox.slack.server import Slack
from sandbox.slack.workspace import Workspace

__all__ = ["Channel", "Delivery", "File", "Message", "Slack", "User", "UserGroup", "View", "Workspace"]
