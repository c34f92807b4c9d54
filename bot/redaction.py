"""Hides secrets in text: those that this process knows, in whatever way they were written, and what looks like one.

Text is redacted last, when it is about to leave the process: as a log line, an answer of ``canary-bot check`` or an
error. By then a secret may have been quoted several times over (JSON in a repr in a traceback), so a known one is
looked for with its line breaks, quotes and backslashes in any escaped form, and percent-encoded; in base64 and in
hexadecimal digits, alone or as a part of something longer; and broken at the ends of lines.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "…"
LEAST = 6  # characters; whatever is shorter is a part of too many harmless words
MOST = 500  # secrets that are known at a time; tokens that are renewed every hour come and go, and the others stay
LONG = 256  # characters; a longer secret is found by its ends, as each character of a pattern costs time and memory
END = 64  # characters of either end
LARGEST_FORM = 40  # characters that one may have become, when text was quoted several times over
TIMES = 10  # that a text is looked through, should what is left of it make a secret anew

_SLASH = r"(?:/|\\+/|%(?:25)*2[fF])"
_WRAPPED = r"(?:(?:\\+[nr]|[\r\n])+[ \t|]*(?=[\w.%-]*\d)[\w.%-]{8,})*"  # a token that was broken at the end of a line
_PATTERNS = (
    (re.compile(r"(xox[a-z]|xapp)(?:-|%(?:25)*2[dD])[\w.%-]+" + _WRAPPED), rf"\1-{HIDDEN}"),
    (re.compile(r"(?i)(bearer)(?: |\+|%(?:25)*20)+[\w.~+/=%-]{6,}" + _WRAPPED), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(authorization[\"'\\]*\s*[:=,]\s*[\"'\\]*basic) +[\w+/=-]{4,}"), rf"\1 {HIDDEN}"),
    # JSON Web Tokens, as Kubernetes gives to pods. Only the first "eyJ" of a run is tried: from each, it took minutes.
    (re.compile(r"(?<![\w-])((?>[\w-]*?(?=eyJ)))eyJ[\w-]{6,}+\.[\w-]{6,}+(?:\.[\w-]+)?"), rf"\1{HIDDEN}"),
    (re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END|$)", re.DOTALL), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^\s/:@\"']*):[^\s/@\"']+@"), rf"\1:{HIDDEN}@"),
    # Whoever has a response_url may post with it.
    (re.compile(rf"(hooks\.slack(?:-gov)?\.com(?::\d+)?){_SLASH}[^\s\"'\\]+"), rf"\1/{HIDDEN}"),
    # Among them the ticket in Socket Mode's own address.
    (re.compile(r"(?i)([?&](?:[\w-]*[_-])?(?:ticket|token|secret|password)=)[^\s&\"'\\]+"), rf"\1{HIDDEN}"),
)
# What every match of a pattern above has in it: most of what is logged has none of these, and is looked through once.
_TELLTALE = re.compile(r"(?i)xox|xapp|bearer|authorization|eyj|-----begin|://|hooks\.slack|[?&]")
_SPACED = {"\n": "n", "\r": "r", "\t": "t", "\f": "f", "\v": "v", "\b": "b"}
_BACKSLASH = r"(?:\\|%(?:25)*5[cC])"
_RUN = re.compile(r"[A-Za-z0-9]+")
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}  # of HTML
ENCODED = 12  # characters of base64, of hexadecimal digits, or of several lines; fewer are a part of harmless words
_ENCODED = re.compile(rf"[\w+/-]{{{ENCODED}}}", re.ASCII)
_BREAK = r"\s*"
_ASCII = 128
_BYTE = 256


class _Known:
    """One secret: the pattern of all its forms, and what its forms surely have in common."""

    def __init__(self, secret: str, *, renewed: bool = False) -> None:
        self.renewed = renewed
        self._secret = secret
        # Letters and digits are never escaped, except as percent codes.
        self._hint = max(_RUN.findall(secret if len(secret) <= LONG else secret[:END]), key=len, default="")
        self._joined = "".join(secret.split()) if len(secret) <= LONG else ""
        written = dict.fromkeys((secret[:END], json.dumps(secret[:END])[1:-1]))
        encoded = [one for text in written for one in _encoded(text.encode("utf-8", "surrogatepass"))]
        self._encoded = tuple(dict.fromkeys(encoded))

    def hide_in(self, text: str) -> str:
        if self._hint in text or "%" in text:
            return self._pattern.sub(HIDDEN, text)
        return text

    def hide_broken_in(self, text: str, joined: str) -> str:
        """The same where lines have ended within it; ``joined`` is the text without spaces and line breaks.

        Long ones are left out: they are looked for by their ends, and have lines of their own.
        """
        if len(self._joined) >= ENCODED and self._joined in joined:
            return self._broken_pattern.sub(HIDDEN, text)
        return text

    def hide_encoded_in(self, text: str) -> str:
        """Without what it is in base64 or in hexadecimal digits, and whatever follows in these."""
        if any(one in text for one in self._encoded):
            return self._encoded_pattern.sub(HIDDEN, text)
        return text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Made when it is needed first: most secrets never come near a text, and it takes a hundredth of a second."""
        return _pattern(self._secret)

    @cached_property
    def _broken_pattern(self) -> re.Pattern[str]:
        return re.compile(_BREAK.join(map(re.escape, self._joined)))

    @cached_property
    def _encoded_pattern(self) -> re.Pattern[str]:
        return re.compile(f"(?:{'|'.join(map(re.escape, self._encoded))})[\\w+/=-]*", re.ASCII)


_lock = threading.Lock()
_known: dict[str, _Known] = {}
_longest_first: tuple[_Known, ...] = ()  # the same


def learn(secret: str, *, renewed: bool = False) -> None:
    """Know a secret from now on, and the passwords in it if it is an address; see ``LEAST`` for what is too short.

    One that was ``renewed`` will be again. With ``MOST`` of them the oldest of these is forgotten, and none that stays.
    """
    for one in _parts(secret):
        if len(one) >= LEAST and one not in _known:
            known = _Known(one, renewed=renewed)
            with _lock:
                _known[one] = known
                while len(_known) > MOST:
                    _known.pop(_first_to_go())
                _sort()


def _first_to_go() -> str:
    return next((secret for secret, known in _known.items() if known.renewed), next(iter(_known)))


def forget() -> None:
    """Know no secret any more."""
    with _lock:
        _known.clear()
        _sort()


def _sort() -> None:
    global _longest_first  # noqa: PLW0603  # what is known is the process'
    _longest_first = tuple(_known[secret] for secret in sorted(_known, key=len, reverse=True))


def learn_login(user: str, password: str) -> None:
    """Know a password, and what it looks like in a header of basic authentication."""
    learn(password)
    learn(base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("="))


def redact(text: str) -> str:
    """The text without any secret that is known, and without what looks like one."""
    known = _longest_first
    for _ in range(TIMES):
        before = text
        if known and "\n" in text:
            joined = "".join(text.split())
            for one in known:
                text = one.hide_broken_in(text, joined)
        for one in known:
            text = one.hide_in(text)
        if known and _ENCODED.search(text):
            for one in known:
                text = one.hide_encoded_in(text)
        if _TELLTALE.search(text):
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
        if text == before:
            break
    return text


def _parts(secret: str) -> list[str]:
    """What of it must not be shown: of an address its passwords, of a list each, else all of it."""
    if "://" not in secret:
        return [secret, *(part.strip() for part in secret.split(",") if "," in secret)]
    try:
        address = urlsplit(secret)
    except ValueError:
        return [secret]
    login = address.netloc.rpartition("@")[0]
    written = login.partition(":")[2]
    given = [value for name, value in parse_qsl(address.query) if "pass" in name.lower() or "token" in name.lower()]
    return [one for password in [written, *given] for one in (password, unquote(password)) if one]


def _pattern(secret: str) -> re.Pattern[str]:
    """What finds the secret in text, however it was written.

    From the beginning of a long one all is hidden up to its end, or up to the next space where a text was cut.
    """
    if len(secret) <= LONG:
        return re.compile(_forms(secret) + r"[\w-]*")
    least = len(secret) - 2 * END
    end = _forms(secret[-END:])
    between = f"[\\s\\S]{{{least},{least * LARGEST_FORM}}}"
    return re.compile(rf"{_forms(secret[:END])}(?:{between}{end}[\w-]*|\S*)")


def _forms(secret: str) -> str:
    """A regular expression for every way the secret may have been written."""
    rest = secret.lstrip("\\")
    pieces = re.findall(r"\\+|.", rest if len(rest) >= LEAST else secret, re.DOTALL)
    before = ["\\", *pieces]
    return "".join(_piece(piece, escaped=last[0] != "\\") for last, piece in zip(before, pieces, strict=False))


def _piece(piece: str, *, escaped: bool) -> str:
    """``escaped``: backslashes before it are matched here.

    Those before the first piece stay, also the secret's own, and those behind others are matched with them: tried from
    each of a thousand anew, they would take seconds.
    """
    if piece[0] == "\\":
        return f"{_BACKSLASH}{{{len(piece)},}}"
    if piece.isascii() and piece.isalnum():
        return f"(?:{piece}|{_percent(piece)})"
    forms = [re.escape(piece), *_escapes(piece), _percent(piece)]
    if piece in _SPACED:
        forms.append(_SPACED[piece])
    if piece in _ENTITIES:
        forms.append(f"&(?:{_ENTITIES[piece]}|#0*{ord(piece)}|#[xX]0*(?i:{ord(piece):x}));")
    if piece == " ":
        forms += [r"\+", _percent("+")]
    after = r"[ |]*" if piece == "\n" else ""  # a traceback of several errors indents what they say
    return f"{f'{_BACKSLASH}*' if escaped else ''}(?:{'|'.join(forms)}){after}"


def _escapes(one: str) -> list[str]:
    r"""As ``\x``, ``\u`` or ``\U``, of the character, of its halves in UTF-16 and of its bytes in UTF-8."""
    code = ord(one)
    forms = [f"(?i:u{code:04x}|U{code:08x})"]
    if code < _BYTE:
        forms.append(f"(?i:x{code:02x})")
    if code >= _ASCII:
        halves = one.encode("utf-16-be", "surrogatepass").hex()
        forms.append(f"{_BACKSLASH}+".join(f"u(?i:{halves[i : i + 4]})" for i in range(0, len(halves), 4)))
        forms.append(f"{_BACKSLASH}+".join(f"x(?i:{byte:02x})" for byte in one.encode("utf-8", "surrogatepass")))
    return forms


def _encoded(secret: bytes) -> list[str]:
    """What a text surely has in it that has the secret in it in base64, whatever stands before it, or in hexadecimal
    digits.
    """
    found = []
    for before in range(3):  # bytes of the group of three in which it begins
        whole = base64.b64encode(b"\0" * before + secret).rstrip(b"=").decode()
        bits = 8 * (before + len(secret))
        core = whole[-(-8 * before // 6) : bits // 6]  # what is before and after it is in none of these characters
        found += [core, core.translate(_URL_SAFE)]
    digits = secret.hex()
    return [one for one in (*found, digits, digits.upper()) if len(one) >= ENCODED]


_URL_SAFE = str.maketrans("+/", "-_")


def _percent(text: str) -> str:
    """Percent-encoded, once or several times over."""
    return "".join(f"%(?:25)*(?i:{byte:02x})" for byte in text.encode("utf-8", "surrogatepass"))
