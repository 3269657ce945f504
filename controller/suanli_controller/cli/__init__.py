"""The verbs of `suanli-controller`, one module each.

They parse, call the other rooms and print; they decide nothing.
"""
