"""The parts of each upstream, assembled.

It may import `service/demands`, `service/observing`, `service/ports`, `service/settings`,
`service/vocabulary`, `upstream`.
"""
