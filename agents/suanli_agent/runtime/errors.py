"""The runtime's failures in our words; grpclib's exceptions never leave this room."""

from __future__ import annotations


class RuntimeFault(Exception):
    """The runtime refused or failed a call; the text is the runtime's own."""


class UnavailableFault(RuntimeFault):
    """No runtime behind the socket, or it did not answer in time. Says nothing about the call's object."""


class NotFoundFault(RuntimeFault):
    """The container, sandbox or image does not exist."""


class UnimplementedFault(RuntimeFault):
    """The runtime is too old for this call."""


class TimeoutFault(RuntimeFault):
    """The command inside the container took longer than allowed."""
