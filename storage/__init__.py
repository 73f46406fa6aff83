"""What outlives a request: shared state, files, and what is encrypted."""
