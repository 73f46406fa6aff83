"""The website's doors of the demo.

It may import `upstream/demo/ground`, `upstream/demo/scenes`.
"""
