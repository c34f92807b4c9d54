"""What is wrong with the environment and ``.env`` as a whole: nearly right names, bounds, encodings."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import redaction
from bot.model.signing import Signer
from bot.settings.env import read_settings
from bot.settings.env_file import NAMES, distance, nearest
from bot.settings.errors import SettingsError
from bot.words.rendering import plain

# As OpenSSL writes one with what it is trusted for, and one that has signed nothing but who is revoked.
TRUSTED = """\
-----BEGIN TRUSTED CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUQQqWvEuf0tbTQy6p/RK0Y2zex80wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMzAyMDEyNDlaGA8yMTI2MTEwNjIwMTI0OVow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCdKsbkWCq7/
pLa+xM0W8zE4cOK6+ulQuXAKs32C5+2oQrpSiIek2FAuH/Dtku7RT9THwZJSesig
F/5llWbDwOGjUzBRMB0GA1UdDgQWBBSqFH4x0Hp2BM6MMTCK3cgNWks5qDAfBgNV
HSMEGDAWgBSqFH4x0Hp2BM6MMTCK3cgNWks5qDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQD9kgAcYGXAKaCj0R9LUtsHOnKs73cK88CP3UfLvvl1
ewIgcEZAw1aqbXtd2XZ3uWWZsWGyTsEtKYCXQWEu73ciKVwwDDAKBggrBgEFBQcD
AQ==
-----END TRUSTED CERTIFICATE-----
"""
REVOKED = """\
-----BEGIN X509 CRL-----
MIGSMDowCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeBcNMjYxMTMwMjAxMjQ5WhgP
MjEyNjExMDYyMDEyNDlaMAoGCCqGSM49BAMCA0gAMEUCIEC5MgAjlkmu+W/Mw7NP
ZdnyMdMNv4X0gfH3vQcy7kh5AiEAwDLm7c2KQSY3wcjMdBO19NT383EiIkdgVpw+
mwFB4Vk=
-----END X509 CRL-----
"""

HTTP = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s1gning"}


def errors(environ: dict[str, str], env_file: Path | None = None) -> tuple[str, ...]:
    try:
        read_settings(environ, env_file)
    except SettingsError as error:
        return tuple(map(plain, error.reasons))
    return ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDIS_ULR", "REDIS_URL"),
        ("REDIS_UR", "REDIS_URL"),
        ("redis_url", "REDIS_URL"),
        ("SLACK_BOT_TOKN_FILE", "SLACK_BOT_TOKEN_FILE"),
        ("PROMETHUS_URL", "PROMETHEUS_URL"),
        ("SERVICE_FILE", "SERVICES_FILE"),
    ],
)
def test_a_name_that_is_nearly_ours_is_told_with_ours_and_without_its_value(name: str, meant: str) -> None:
    assert errors({name: "hunter2"}) == (f"{name} is no setting; did you mean {meant}?",)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "HOST", "POST", "PORTS", "LANG", "LOGNAME", "HOSTNAME", "KUBECONFIG_DIR", "KUBE_CONFIG"),
        *(
            "REDIS_PORT",
            "REDIS_SERVICE_HOST",
            "PROMETHEUS_PORT",
            "KUBERNETES_SERVICE_HOST",
            "SLACK_CLIENT_ID",
            "LOG_DIR",
        ),
    ],
)
def test_an_ordinary_environment_stays_quiet(name: str) -> None:
    assert errors({name: "x"}) == ()


def test_a_near_name_beside_the_right_one_is_somebody_elses() -> None:
    assert errors({"REDIS_URI": "x", "REDIS_URL": "redis://redis:6379/0"}) == ()


def test_the_file_is_ours_so_that_more_letters_may_be_wrong_in_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PROMETEUS_ULR=http://p:9090\nOTHER=1\n", encoding="utf-8")

    assert errors({}, file) == ("PROMETEUS_ULR is no setting; did you mean PROMETHEUS_URL?",)
    assert errors({"PROMETEUS_ULR": "x"}) == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("LOG_FORMAT=jsön\n".encode("latin-1"), ".env is not UTF-8 text"),
        ("LOG_FORMAT=json\n".encode("utf-16"), ".env is not UTF-8 text"),
        (b"LOG_FORMAT=json\nwhat is this\n", ".env line 2: this is no NAME=VALUE"),
        (b"LOG_LEVEL='info\n", ".env line 1: this is no NAME=VALUE"),
        (b"#" * 200_000, ".env is larger than 100,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_with_its_line(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)

    assert errors({}, file) == (said,)


def test_a_folder_of_that_name_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()

    assert errors({}, tmp_path / ".env") == (".env cannot be read (Is a directory)",)


def test_a_byte_order_mark_is_no_matter_in_either_file(tmp_path: Path) -> None:
    secret, file = tmp_path / "url", tmp_path / ".env"
    secret.write_text("redis://redis:6379/7\n", encoding="utf-8-sig")
    file.write_text(f"REDIS_URL_FILE={secret}\n", encoding="utf-8-sig")

    assert read_settings({}, file).redis.url.reveal() == "redis://redis:6379/7"


def test_bytes_that_are_no_text_are_told_and_not_sent_anywhere() -> None:
    assert errors({"KUBE_CONTEXT": "prod\udcff"}) == ("KUBE_CONTEXT must be text in UTF-8",)


def test_a_secrets_file_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "token").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing

    (said,) = errors({"PROMETHEUS_BEARER_TOKEN_FILE": str(tmp_path / "token")})
    (device,) = errors({"PROMETHEUS_BEARER_TOKEN_FILE": "/dev/zero"})

    assert said.endswith("cannot be read (not UTF-8 text, or far too large)")
    assert device.endswith("cannot be read (not UTF-8 text, or far too large)")


def test_no_env_file_may_be_said_with_the_system_s_own_empty_one() -> None:
    assert errors({}, Path("/dev/null")) == ()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TICK_SECONDS": "0.01"}, "TICK_SECONDS must be a number of seconds from 0.1 to 300"),
        ({"TICK_SECONDS": "1e9"}, "TICK_SECONDS must be a number of seconds from 0.1 to 300"),
        ({"LEASE_SECONDS": "inf"}, "LEASE_SECONDS must be a number of seconds from 0.5 to 300"),
        ({"DEAD_MAN_SECONDS": "1e300"}, "DEAD_MAN_SECONDS must be a number of seconds from 1 to 86400"),
        ({"DEAD_MAN_SECONDS": "30", "LEASE_SECONDS": "30"}, "LEASE_SECONDS must be shorter than DEAD_MAN_SECONDS (30)"),
        ({"DEAD_MAN_SECONDS": "20"}, "DEAD_MAN_SECONDS must be at least 6 times TICK_SECONDS (30)"),
        (HTTP | {"PORT": "8080"}, "PORT and PROBE_PORT are both 8080; each needs a port of its own"),
    ],
)
def test_numbers_have_bounds_and_fit_each_other(environ: dict[str, str], said: str) -> None:
    assert [one for one in errors(environ) if one.startswith(said)]


def test_a_short_dead_mans_limit_shortens_the_lease_that_nobody_has_set() -> None:
    assert read_settings({"TICK_SECONDS": "1", "DEAD_MAN_SECONDS": "8"}).lease_seconds == 4
    assert read_settings({}).lease_seconds == 10


def test_a_port_that_nobody_listens_on_is_nobodys_rival() -> None:
    socket_mode = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "PORT": "8080"}

    assert errors(socket_mode) == ()
    assert errors(HTTP | {"PORT": "8081", "PROBE_PORT": "0"}) == ()


@given(st.sampled_from(sorted(NAMES)), st.integers(0, 30), st.sampled_from(["swap", "drop", "double"]))
def test_one_slip_of_the_finger_is_a_distance_of_one(name: str, at: int, slip: str) -> None:
    at %= len(name) - 1
    typed = {
        "swap": name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        "drop": name[:at] + name[at + 1 :],
        "double": name[: at + 1] + name[at:],
    }[slip]

    assert distance(typed, name, 2) <= 1
    assert nearest(typed, [name], 1) == name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp500"])
def test_a_file_in_another_encoding_is_told_and_not_taken_for_an_empty_one(encoding: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SLACK_BOT_TOKEN=xoxb-1\n".encode(encoding))

    with pytest.raises(SettingsError, match=r"\.env is not UTF-8 text"):
        read_settings({}, tmp_path / ".env")


@pytest.mark.parametrize("leads_to", ["nowhere", ".env"])
def test_a_link_that_leads_nowhere_is_told_and_not_taken_for_no_file(leads_to: str, tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / leads_to)

    with pytest.raises(SettingsError, match=r"\.env cannot be read \("):
        read_settings({}, tmp_path / ".env")


@pytest.mark.parametrize("odd", ["xoxb-1\nxoxb-2", "xoxb-1\r\nX: y", "xoxb-1\0", "x\0o\0x\0b\0-\0", "xoxb-\x1b[2J"])
def test_a_secret_is_one_line_also_where_its_file_is_replaced(odd: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    given = {"SLACK_APP_TOKEN": "xapp-1", "SLACK_BOT_TOKEN_FILE": str(file)}
    file.write_text(odd, newline="")
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN_FILE must be one line of text") as refused:
        read_settings(given)
    assert "xoxb" not in str(refused.value)

    file.write_text("xoxb-good\n")
    token = read_settings(given).require_slack().bot_token
    file.write_text(odd, newline="")

    assert token.current() == "xoxb-good"


@pytest.mark.parametrize("broken", [",\n", " ,\r\n\t"])
def test_a_list_may_have_a_line_for_each_and_what_stands_in_it_is_one_line(broken: str, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text(f"X-Key=one{broken}X-Other=two\n", newline="")
    (tmp_path / "keys").write_text(f"{'n' * 32}{broken}{'o' * 32}\n", newline="")
    given = {"PROMETHEUS_HEADERS_FILE": str(tmp_path / "headers"), "CANARY_SIGNING_KEY_FILE": str(tmp_path / "keys")}

    settings = read_settings(given)

    headers = {name: value.reveal() for name, value in settings.prometheus.headers.items()}
    assert headers == {"X-Key": "one", "X-Other": "two"}
    assert settings.signer == Signer(keys=(b"n" * 32, b"o" * 32))
    assert errors({"PROMETHEUS_HEADERS": "X-Key=one\nX-Other=two"})
    assert len(errors({"CANARY_SIGNING_KEY": f"{'n' * 32}\n{'o' * 32}"})) == 1


def test_tokens_that_are_renewed_push_out_no_secret_that_stays(tmp_path: Path) -> None:
    redaction.forget()
    file = tmp_path / "token"
    file.write_text("first-opaque")
    given = {"PROMETHEUS_BEARER_TOKEN_FILE": str(file), "REDIS_URL": "redis://:hunter-drei@redis"}
    token = read_settings(given).prometheus.bearer_token
    assert token is not None
    for day in range(redaction.MOST + 10):
        file.write_text(f"opaque-{day:06}")
        token.current()

    assert redaction.redact(f"hunter-drei and opaque-{redaction.MOST + 9:06}") == "… and …"


@pytest.mark.parametrize("name", ["PROMETHEUS_CA_FILE", "REDIS_CA_FILE"])
@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"-----BEGIN CERTIFICATE-----\nx\n", b"\xff\xfe-\0", b"no"])
def test_a_file_without_certificates_is_told(name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=r"ca\.pem\" cannot be read \(holds no certificate in PEM\)"):
        read_settings({name: str(file), "REDIS_URL": "rediss://redis"})


def test_a_bundle_with_openssls_own_headers_is_one_as_it_is_to_the_library_that_reads_it(tmp_path: Path) -> None:
    """As systems of Red Hat keep one; nobody is made to convert what connects."""
    file = tmp_path / "ca-bundle.trust.crt"
    file.write_text(TRUSTED)

    assert read_settings({"PROMETHEUS_CA_FILE": str(file)}).prometheus.ca_file == file


def test_a_list_of_what_is_revoked_alone_lets_nobody_be_known(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(REVOKED)

    with pytest.raises(SettingsError, match=r"ca\.pem\" cannot be read \(holds no certificate in PEM\)"):
        read_settings({"PROMETHEUS_CA_FILE": str(file)})


def test_whatever_stands_around_certificates_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes("# Autorité de certification\r\n".encode("latin-1") + Path(certifi.where()).read_bytes())

    assert read_settings({"PROMETHEUS_CA_FILE": str(file)}).prometheus.ca_file == file
