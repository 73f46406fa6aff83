"""The demo upstream, a program of its own.

It may import `upstream/demo`.
"""
