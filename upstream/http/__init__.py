"""Calls to an upstream: session, routes, cool-downs, limits on bodies.

It may import `service/observing`, `service/ports`, `service/settings`, `service/upstream_errors`,
`service/version`, `service/vocabulary`.
"""
