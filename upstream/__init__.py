"""HTTP out: turns, tokens, files and models, one room for each kind of upstream."""
