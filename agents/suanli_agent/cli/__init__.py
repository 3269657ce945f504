"""The verbs of `suanli-agent`, one module each, in Chinese and English.

They parse, ask the daemon or the other rooms, and print. Each is imported only when it is called: the daemon is
one of them, and carries nothing of the rest.
"""
