"""The leader's read-only stream of what it knows: a snapshot, then numbered deltas.

It turns the leader's caches into rows and sends them to authenticated subscribers. It decides nothing, writes
nothing to a cloud, and knows no browser.
"""
