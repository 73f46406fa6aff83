"""The records that pass between rooms, the error tree, credentials, and JSON as it is sent.

It imports nothing of ours.
"""
