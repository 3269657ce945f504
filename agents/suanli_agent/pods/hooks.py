"""postStart and preStop hooks."""

from __future__ import annotations

import asyncio

from suanli_agent.core import objects
from suanli_agent.pods import checks, context

POST_START_SECONDS = 24 * 3600.0
"""A postStart hook may take as long as it likes: the next container waits, a stop of the pod ends it."""


class HookError(Exception):
    """A hook failed; the text says how."""


async def run(ctx: context.Context, hook: objects.LifecycleHandler, target: checks.Target, seconds: float) -> None:
    """Run one hook for at most seconds. Raises HookError."""
    try:
        await asyncio.wait_for(_run(ctx, hook, target, seconds), seconds)
    except asyncio.TimeoutError:
        raise HookError(f"hook did not end within {seconds:g} s") from None
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as problem:
        raise HookError(str(problem) or type(problem).__name__) from problem


async def _run(
    ctx: context.Context, hook: objects.LifecycleHandler, target: checks.Target, seconds: float
) -> None:
    if hook.exec is not None:
        outcome = await checks.execute(ctx.runtime, target.container_id, hook.exec.command, seconds)
        if not outcome.ok:
            raise HookError(f"Exec lifecycle hook {hook.exec.command} failed: {outcome.message}")
    elif hook.http_get is not None:
        await checks.http_get(hook.http_get, target)  # any answer counts: the hook is a notice, not a question
    elif hook.sleep is not None:
        await asyncio.sleep(hook.sleep.seconds)
