"""The error of schemas, apart from their checks, which are loaded with the first schema."""


class SchemaError(ValueError):
    """A schema cannot be used; `place` is the faulty part, such as `.properties.x`."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem
