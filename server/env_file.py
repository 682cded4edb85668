"""The `.env` file: `NAME=value` lines, as docker compose and shells read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class EnvFileError(Exception):
    """Names the line that cannot be read."""


def read_env_file(path: Path) -> dict[str, str]:
    """Empty when there is no such file. Raises EnvFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f"{path} cannot be read: {error}") from error
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise EnvFileError(f"{path}, line {number} is not NAME=value.")
        values[match[1]] = _value(match[2], path, number)
    return values


def with_env_file(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """What is set in the environment wins over the file."""
    return read_env_file(path) | {name: value for name, value in environ.items() if value}


def _value(text: str, path: Path, number: int) -> str:
    quote = text[:1]
    if quote not in {"'", '"'}:
        return re.split(r"\s#", text, maxsplit=1)[0].strip()
    match = re.fullmatch(r"'([^']*)'\s*(?:#.*)?" if quote == "'" else r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?', text)
    if match is None:
        raise EnvFileError(f"{path}, line {number}: the closing quote is missing, or something follows it.")
    if quote == "'":
        return match[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
