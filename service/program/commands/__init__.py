"""The command line: start, check, replay, keys, accounts and signing in.

It may import everything, as the room that it stands in.
"""
