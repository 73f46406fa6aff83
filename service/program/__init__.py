"""The composition root: command line, start, stop, workers.

It may import everything: the one room that knows all packages.
"""
