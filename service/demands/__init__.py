"""Functions and JSON that a caller demands: described to the model, checked, asked for again.

It may import `service/ports`, `service/sink`, `service/stages/function_calls`,
`service/vocabulary`.
"""
