"""Calls to an upstream: session, routes, cool-downs, limits of bodies.

It may import `service/observing`, `service/ports`, `service/settings`, `service/upstream_errors`,
`service/version`, `service/vocabulary`, `upstream/line`.
"""
