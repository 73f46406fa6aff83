"""HTTP in: requests become records, records become replies; one room per dialect."""
