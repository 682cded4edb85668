"""Files for hosts that we cannot try here at least name settings and addresses that exist."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import yaml

from server.health import ROUTES
from server.settings import VARIABLES, Settings
from tests.architecture.documents import ROOT

PATHS = {path for route in ROUTES for path in route.paths}


def complete(names: dict[str, str]) -> Settings:
    """Raises SettingsError: `serve` would not start with these."""
    made_up = {
        "DATABASE_URL": "postgresql://u:p@db/callbridge",
        "SECRET_KEY": "0" * 32,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    }
    return Settings.from_env(
        {name: value or made_up.get(name, "made-up-value") for name, value in names.items()}, mode="serve"
    )


def test_fly_starts_what_serves() -> None:
    text = (ROOT / "infra/fly.toml").read_text()
    fly = tomllib.loads(text)
    [secrets] = re.findall(r"^# fly secrets set (.*)$", text, re.MULTILINE)
    names = fly["env"] | dict.fromkeys(re.findall(r"([A-Z_]+)=", secrets), "")
    assert set(names) <= set(VARIABLES)
    settings = complete(names)
    assert settings.port == fly["http_service"]["internal_port"] == fly["metrics"]["port"]
    paths = [check["path"] for check in fly["http_service"]["checks"]] + [fly["metrics"]["path"]]
    assert set(paths) <= PATHS
    assert settings.drain_seconds < int(fly["kill_timeout"].removesuffix("s"))


def test_cloud_run_starts_what_serves() -> None:
    service: dict[str, Any] = yaml.safe_load((ROOT / "infra/cloudrun.yaml").read_text())
    spec = service["spec"]["template"]["spec"]
    [container] = spec["containers"]
    names = {one["name"]: one.get("value", "") for one in container["env"]}
    assert set(names) <= set(VARIABLES)
    settings = complete(names)
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} <= PATHS
    assert settings.max_calls < spec["containerConcurrency"], "or webhooks wait behind calls"
    assert settings.drain_seconds <= 1, "its grace is 10 s, and moving calls takes some of them"


def test_compose_names_settings_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    apps = {name: service for name, service in compose["services"].items() if name.startswith("app")}
    for app in apps.values():
        assert set(app["environment"]) <= set(VARIABLES)


def test_nothing_in_compose_may_do_more_than_it_must() -> None:
    """Whoever breaks into one of them finds no root, no file to change and no way on."""
    compose = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "privileged" not in service
        assert (name == "caddy") == ("ports" in service), "only Caddy is reached from outside"
    assert compose["networks"]["database"]["internal"] is True
    assert list(compose["services"]["db"]["networks"]) == ["database"]
