"""What all scenes and doors of the demo stand on.

It imports nothing of ours.
"""
