"""The rehearsal room: a workspace, a cluster and a mesh on one machine.

Everything here meets the bot only over the wires production has anyway (HTTP, WebSocket, Redis, Prometheus), is
never part of the wheel or the image, and never imports ``bot``.
"""
