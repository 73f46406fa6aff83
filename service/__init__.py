"""The core: what an answer means, what a caller may do, and the program that joins all rooms.

Its own modules are the ports, the keys of the application and the version; the rest is in rooms.
"""
