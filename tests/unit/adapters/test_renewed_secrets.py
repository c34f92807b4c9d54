"""What is in a secret's file may be another one by now."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bot.bootstrap import prometheus
from bot.model.errors import Fault
from bot.redaction import redact
from bot.settings.env import read_settings


def test_a_token_and_a_password_are_read_again_from_their_files(tmp_path: Path) -> None:
    seen: list[str | None] = []

    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text("first-token\n", encoding="utf-8")
    password.write_text("first-password\n", encoding="utf-8")
    with HTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = {"PROMETHEUS_URL": f"http://127.0.0.1:{server.server_port}"}
        by_token = read_settings(url | {"PROMETHEUS_BEARER_TOKEN_FILE": str(token)})
        login = {"PROMETHEUS_USERNAME": "shop", "PROMETHEUS_PASSWORD_FILE": str(password)}
        both = [prometheus(one.prometheus) for one in (by_token, read_settings(url | login))]
        for content in ("first", "second", ""):
            if content:
                token.write_text(f"{content}-token\n", encoding="utf-8")
                password.write_text(f"{content}-password\n", encoding="utf-8")
            else:
                token.unlink()  # it is being replaced
            for one in both:
                with pytest.raises(Fault):
                    one.ping()
        server.shutdown()

    basic = ["Basic " + base64.b64encode(f"shop:{word}-password".encode()).decode() for word in ("first", "second")]
    assert seen[:4] == ["Bearer first-token", basic[0], "Bearer second-token", basic[1]]
    assert str(seen[4]).startswith("Bearer ")
    assert redact("a traceback with second-token and second-password") == "a traceback with … and …"
