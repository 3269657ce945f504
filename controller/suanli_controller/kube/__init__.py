"""The only room that talks to an API server: connections, typed caches, queues, leadership.

It owns its errors (`errors`) and decides nothing about workloads; whether to try again is for `reconcile/`.
"""
