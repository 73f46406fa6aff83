"""What outlives a request: shared state, files, and secrets that encrypt and sign."""
