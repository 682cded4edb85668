from __future__ import annotations

from pathlib import Path

from server.data_dir import DataDir
from server.settings import Settings
from server.stand_ins import needed, stand_in

SIMULATOR = "http://127.0.0.1:8100"


def complete(tmp_path: Path, **environ: str) -> Settings:
    configured = Settings.from_env({"DATA_DIR": str(tmp_path), **environ}, mode="dev")
    keys = DataDir(tmp_path).practice_keys()
    return stand_in(configured, keys, database_url="postgresql://here", simulator_url=SIMULATOR)


def test_nothing_configured_is_all_stood_in_and_would_serve(tmp_path: Path) -> None:
    settings = complete(tmp_path)
    assert settings.twilio_api_base_url == SIMULATOR
    assert settings.openai_base_url == f"{SIMULATOR}/v1"
    assert Settings.from_env(settings.to_env(), mode="serve") == settings


def test_what_is_configured_stays_real(tmp_path: Path) -> None:
    """Nobody's account may be swapped for a pretend one, and nobody's key may go to the pretend model."""
    settings = complete(tmp_path, OPENAI_API_KEY="sk-real", DATABASE_URL="postgresql://mine")
    assert settings.openai_api_key == "sk-real"
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.database_url == "postgresql://mine"
    assert settings.twilio_api_base_url == SIMULATOR
    standing_in = needed(Settings.from_env({"OPENAI_API_KEY": "sk-real"}, mode="dev"))
    assert (standing_in.twilio, standing_in.openai, standing_in.database) == (True, False, True)
