"""`python -m simulator`: the simulator as a process of its own, for `callbridge dev` and for people."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from simulator.audio.recognition import RecognitionMissing
from simulator.simulator import Simulator

PARENT_CHECK_SECONDS = 0.5


def main() -> int:
    options = _options()
    try:
        simulator = Simulator(
            public_url=options.public_url,
            account_sid=options.account_sid,
            auth_token=options.auth_token,
            openai_api_key=options.openai_api_key,
            voice=options.voice,
            port=options.port,
            state_dir=options.state_dir,
            recognition=options.recognition,
        )
    except RecognitionMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return asyncio.run(_serve(simulator))


async def _serve(simulator: Simulator) -> int:
    """Until a signal comes or the process that started this one is gone."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    parent = os.getppid()
    try:
        async with simulator:
            while os.getppid() == parent and not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), PARENT_CHECK_SECONDS)
    except OSError as error:
        sys.stderr.write(f"The simulator cannot listen: {error}. Give it another --port.\n")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--account-sid", required=True, help="of the practice Twilio account")
    parser.add_argument("--auth-token", required=True, help="signs webhooks, and is the REST API's password")
    parser.add_argument("--openai-api-key", default=None, help="the only key that the model accepts")
    parser.add_argument("--public-url", default="", help="of the server under test")
    parser.add_argument(
        "--state-dir", type=Path, default=None, help="keeps numbers and speech over a restart"
    )
    parser.add_argument("--voice", choices=("hibari", "tones"), default="hibari")
    parser.add_argument("--recognition", action="store_true", help="understand real speech, by Whisper")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
