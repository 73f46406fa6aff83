"""The operator's key, and the ports of what the admin pages manage.

It may import `service/ports`, `service/vocabulary`.
"""
