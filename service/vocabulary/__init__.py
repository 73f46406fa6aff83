"""The records of every border, the error tree, credentials, JSON as it is sent.

It imports nothing of ours.
"""
