"""What only the garbage collector can free, as it is for who runs without one."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def rings(of: tuple[str, ...]) -> Generator[list[str]]:
    """Filled at the end with the types, of modules that begin so, of all that was left in rings meanwhile."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = [type(one) for one in gc.garbage]
        left += sorted(
            {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if kind.__module__.startswith(of)}
        )
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
