from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.settings import VARIABLES, Settings, SettingsError

ROOT = Path(__file__).parents[3]
COMPLETE = {
    "DATABASE_URL": "postgresql://callbridge:pass@db/callbridge",
    "PUBLIC_URL": "https://voice.example.com/",
    "ADMIN_API_KEY": "an-admin-key-of-ours",
    "SECRET_KEY": "b" * 32,
    "OPENAI_API_KEY": "sk-made-up",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "f" * 32,
}


def problems(environ: dict[str, str], mode: str = "serve") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ, mode="dev" if mode == "dev" else "serve")
    return caught.value.problems


def test_dev_needs_nothing() -> None:
    settings = Settings.from_env({}, mode="dev")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.database_url == settings.openai_api_key == settings.admin_api_key == ""
    assert settings.secret_key == settings.twilio_auth_token == ()
    assert settings.data_dir == Path.cwd() / ".callbridge"


def test_serve_names_everything_that_is_missing_at_once() -> None:
    """An operator must not learn of seven missing settings in seven attempts."""
    missing = {problem.split(" ")[0] for problem in problems({})}
    assert missing == set(COMPLETE) - {"ADMIN_API_KEY"}


def test_everything_that_is_wrong_is_reported_at_once_with_what_to_do() -> None:
    wrong = problems(
        COMPLETE
        | {
            "PORT": "eighty",
            "WORKERS": "0",
            "DATABASE_URL": "mysql://db/x",
            "PUBLIC_URL": "http://voice.example.com",
            "ADMIN_API_KEY": "short",
            "SECRET_KEY": "short",
            "TWILIO_ACCOUNT_SID": "SK123",
            "OPENAI_BASE_URL": "api.openai.com",
            "LOG_LEVEL": "loud",
            "DRAIN_SECONDS": "-1",
            "TRUSTED_PROXIES": "10.0.0.0/8,caddy",
        }
    )
    assert [problem.split(" ")[0] for problem in wrong] == [
        "PORT",
        "WORKERS",
        "TWILIO_ACCOUNT_SID",
        "DATABASE_URL",
        "PUBLIC_URL",
        "ADMIN_API_KEY",
        "SECRET_KEY",
        "OPENAI_BASE_URL",
        "DRAIN_SECONDS",
        "TRUSTED_PROXIES",
        "LOG_LEVEL",
    ]


@pytest.mark.parametrize("name", ["ADMIN_API_KEY", "SECRET_KEY", "OPENAI_API_KEY", "TWILIO_AUTH_TOKEN"])
def test_secrets_are_not_in_the_text_of_settings(name: str) -> None:
    settings = Settings.from_env(COMPLETE, mode="serve")
    assert COMPLETE[name] not in repr(settings)
    assert COMPLETE[name] not in f"{settings}"


def test_problems_do_not_repeat_secrets() -> None:
    wrong = problems(
        COMPLETE | {"ADMIN_API_KEY": "hush hush hush", "SECRET_KEY": "hush", "DATABASE_URL": "x://u:hush@h"}
    )
    assert "hush" not in "".join(wrong)


def test_secret_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old-token-1,new-token-2\n")
    environ = {k: v for k, v in COMPLETE.items() if k != "TWILIO_AUTH_TOKEN"}
    settings = Settings.from_env(environ | {"TWILIO_AUTH_TOKEN_FILE": str(path)}, mode="serve")
    assert settings.twilio_auth_token == ("old-token-1", "new-token-2")


def test_an_unreadable_file_is_named_once(tmp_path: Path) -> None:
    environ = {k: v for k, v in COMPLETE.items() if k != "SECRET_KEY"}
    [problem] = problems(environ | {"SECRET_KEY_FILE": str(tmp_path / "gone")})
    assert "SECRET_KEY_FILE" in problem
    assert "gone" in problem


def test_a_value_and_a_file_for_it_is_a_mistake(tmp_path: Path) -> None:
    [problem] = problems(COMPLETE | {"OPENAI_API_KEY_FILE": str(tmp_path / "key")})
    assert "keep one" in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_http_is_for_loopback_addresses(host: str) -> None:
    settings = Settings.from_env(COMPLETE | {"PUBLIC_URL": f"http://{host}:8000"}, mode="serve")
    assert settings.public_url == f"http://{host}:8000"


def test_a_vendor_is_real_or_stood_in_never_half() -> None:
    environ = {"OPENAI_BASE_URL": "https://gateway.example.com/v1", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32}
    assert len(problems(environ, mode="dev")) == 2


def test_listening_everywhere_is_reached_on_this_machine() -> None:
    assert Settings.from_env({"HOST": "0.0.0.0"}, mode="dev").public_url == "http://127.0.0.1:8000"


def test_workers_get_the_same_settings() -> None:
    """The supervisor hands its settings on by the environment."""
    settings = Settings.from_env(
        COMPLETE | {"SECRET_KEY": "a" * 32 + "," + "b" * 32, "PORT": "9000"}, mode="serve"
    )
    assert Settings.from_env(settings.to_env(), mode="serve") == settings


def test_every_setting_is_in_the_reference_and_in_the_example() -> None:
    reference = (ROOT / "docs/reference/settings.md").read_text()
    assert re.findall(r"^\| `([A-Z_]+)`", reference, flags=re.MULTILINE) == list(VARIABLES)
    example = (ROOT / ".env.example").read_text()
    assert sorted(re.findall(r"^#([A-Z_]+)=", example, flags=re.MULTILINE)) == sorted(VARIABLES)
