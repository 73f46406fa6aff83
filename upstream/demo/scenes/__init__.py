"""What the demo plays.

It may import `upstream/demo/ground`.
"""
