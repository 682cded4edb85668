from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import asyncpg
import pytest

from server.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError


async def answer(postgres: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(postgres.url())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_data_outlives_a_crash_of_the_server(tmp_path: Path) -> None:
    """A file left by the crashed one says "ready" too, and must not be believed."""
    postgres = EmbeddedPostgres(tmp_path)
    postgres.start()
    await answer(postgres, "create table kept as select 7 as seven")
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    while postgres.alive():
        pass
    postgres.start()
    assert await answer(postgres, "select seven from kept") == 7
    postgres.stop()
    assert not postgres.alive()


async def test_only_we_can_connect(tmp_path: Path) -> None:
    """It asks for no password, so the way in is closed to others."""
    postgres = EmbeddedPostgres(tmp_path / "root")
    postgres.start()
    try:
        assert await answer(postgres, "show listen_addresses") == ""
        assert stat.S_IMODE((tmp_path / "root" / "run").stat().st_mode) == 0o700
    finally:
        postgres.stop()


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / ("long" * 25), durable=False)
    postgres.start()
    socket_dir = Path(postgres.url().partition("host=")[2])
    assert len(str(socket_dir)) < 85
    postgres.stop()
    assert not socket_dir.exists()


def test_an_unusable_data_directory_is_explained(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    postgres.data_dir.mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="did not start"):
        postgres.start()
