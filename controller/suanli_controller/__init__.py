"""The hub of Suanli.

Rooms, lowest first; each may import only those before it (`.importlinter` guards this):

`api/` the kinds as typed structs; `core/` decisions, pure; `kube/` the only room that talks to an API server;
`reconcile/` one module per kind; `cli/` the verbs; `__main__` where they meet.
"""
