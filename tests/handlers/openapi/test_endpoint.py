from handlers.openapi.endpoint import Body, Endpoint, Parameter, Place


def test_an_endpoint_is_of_the_api_and_needs_a_key_unless_said_otherwise() -> None:
    plain = Endpoint(method="get", path="/v1/x", id="getX", summary="An x.", tag="Xs")
    assert (plain.place, plain.needs_key, plain.body) == (Place.API, True, Body.JSON)
    assert (plain.request, plain.answer, plain.events, plain.errors) == (None, None, None, ())


def test_no_two_parameters_share_a_schema() -> None:
    one, two = Parameter("a", "query", "An a."), Parameter("b", "query", "A b.")
    assert one.schema == two.schema == {"type": "string"}
    assert one.schema is not two.schema
