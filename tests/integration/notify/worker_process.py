"""A worker as `callbridge serve` runs it, with little patience between attempts: `python -m … SLOT PORT`."""

from __future__ import annotations

import os
import sys

from notify.retries import Retries
from notify.sender import WebhookSender
from server.app import create_app
from server.parts import Parts
from server.settings import Settings
from server.worker import Worker, uvicorn_config

QUICK = Retries(first_seconds=0.1, factor=1.5, longest_seconds=1.0, attempts=30)


def main() -> None:
    slot, port = sys.argv[1:]
    parts = Parts(Settings.from_env(os.environ, mode="serve"), slot)
    parts.webhooks = WebhookSender(
        database=parts.database,
        notifications=parts.notifications,
        secret_box=parts.secret_box,
        guard=parts.address_guard,
        user_agent="Callbridge/test",
        retries=QUICK,
    )
    config = uvicorn_config(create_app(parts), host="127.0.0.1", port=int(port))
    Worker(config, parts).run()


if __name__ == "__main__":
    main()
