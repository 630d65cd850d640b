"""What must come to its end though it be cancelled: rollbacks, and the end of a world."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def unhurried(work: Coroutine[Any, Any, None]) -> None:
    """Let it end, however often this task is cancelled meanwhile; then be cancelled. Raises what it raises."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:
            break  # raised below
    if cancelled:
        await asyncio.gather(task, return_exceptions=True)
        raise asyncio.CancelledError
    await task
