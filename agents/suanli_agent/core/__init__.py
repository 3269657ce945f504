"""Decisions about pods: plain data in, plain data out. No I/O, no clock, no asyncio, no logging in here."""
