"""HTTP for the ports that this process opens: who is let in, how much they may send, and how long they may take.

Tornado reads and writes the wire (its parser, its limit of a request's head, one request to a connection). What is
answered is a ``Handler``'s business. Between the two, here: a request has to arrive whole within a time, not byte by
byte for ever; so many connections at once, of one source and of all; so many bytes of unfinished bodies. Everything is
kept in memory, and nothing of what a client sends is logged.
"""

from bot.http_server.messages import Handler, Limits, Request, Response, text
from bot.http_server.server import Server

__all__ = ["Handler", "Limits", "Request", "Response", "Server", "text"]
