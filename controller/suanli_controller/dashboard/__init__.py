"""The algorithm-and-compute centre's own process: subscribes to the leader's view, serves the API and the page.

It holds no cloud credentials and decides nothing. On the hub it may review tokens and access, and that is all.
"""
