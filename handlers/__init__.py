"""HTTP in: requests to records, records to replies; one room a dialect."""
