from __future__ import annotations

import os
import signal
import sys

from server.child_process import Child


def sleeper() -> Child:
    return Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, "")


def wait_for_death(child: Child) -> int:
    while True:
        code = child.died()
        if code is not None:
            return code


def test_the_dead_are_brought_back_at_once_and_later_when_they_die_young() -> None:
    child = sleeper()
    child.start()
    child.signal(signal.SIGKILL)
    assert wait_for_death(child) == -signal.SIGKILL
    child.start_if_due()
    assert child.alive()
    child.signal(signal.SIGKILL)
    wait_for_death(child)
    child.start_if_due()
    assert not child.alive()
    while not child.alive():
        child.start_if_due()
    assert child.deaths == 2
    child.signal(signal.SIGKILL)
    wait_for_death(child)
