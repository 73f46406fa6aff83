"""Settings: `config.yaml` and the environment, read into one frozen record.

It may import `service/vocabulary`.
"""
