"""A pod's life on this box: volumes, sandbox, containers, probes, hooks, status.

Talks to the runtime only through runtime/, to the hub only through ports.Hub.
"""
