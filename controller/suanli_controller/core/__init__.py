"""Decisions: plain data in, plain data out.

Nothing here does I/O, reads a clock, logs or knows asyncio: the caller passes `now` in and carries the answer out.
"""
