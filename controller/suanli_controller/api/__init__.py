"""What Kubernetes objects look like: our own kinds and the parts of core kinds that we read.

Plain data and its schema. Nothing here decides, reads a clock or does I/O.
"""
