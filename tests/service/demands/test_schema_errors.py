from service.demands.schema_errors import SchemaError


def test_its_text_is_the_problem_alone():
    error = SchemaError(".properties.x", "it points to nothing")
    assert (str(error), error.place) == (error.problem, ".properties.x")
