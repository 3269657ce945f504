"""One module per kind: observe, decide (in `core/`), apply, report.

A reconciler acts on the state that it reads, never on the event that woke it.
"""
