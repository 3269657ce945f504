"""A centre to look at: a generated city, and a stage that runs the real stream and the real dashboard on a real
hub.

For browser tests, the benchmark and whoever works on the page:

    python -m suanli_centre          # prints links that sign in, and stays until Ctrl-C
"""
