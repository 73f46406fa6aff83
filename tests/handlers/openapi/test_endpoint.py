from handlers.about.health import healthz
from handlers.openapi.endpoint import Body, Endpoint, Parameter, Place
from tests.rows import each_row


def endpoint(place: Place) -> Endpoint:
    return Endpoint(
        method="get", path="/x", id="getX", handler=healthz, summary="An x.", tag="Xs", place=place
    )


def test_an_endpoint_is_of_the_api_and_needs_a_key_unless_said_otherwise() -> None:
    plain = endpoint(Place.API)
    assert (plain.place, plain.needs_key, plain.body) == (Place.API, True, Body.JSON)
    assert (plain.request, plain.answer, plain.events, plain.errors) == (None, None, None, ())


def test_no_two_parameters_share_a_schema() -> None:
    one, two = Parameter("a", "query", "An a."), Parameter("b", "query", "A b.")
    assert one.schema == two.schema == {"type": "string"}
    assert one.schema is not two.schema


@each_row(
    ("place", "base", "places"),
    [
        (Place.API, "", [("/x", "")]),
        (Place.API, "/a/b", [("/a/b/x", "")]),
        (Place.ROOT, "/a/b", [("/x", "")]),
        (Place.BOTH, "/a", [("/x", ""), ("/a/x", "BelowPrefix")]),
        (Place.BOTH, "", [("/x", "")]),
    ],
)
def test_a_prefix_moves_what_is_of_the_api(
    place: Place, base: str, places: list[tuple[str, str]]
) -> None:
    assert list(endpoint(place).places(base)) == places
