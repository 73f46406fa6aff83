import pytest

from upstream.http.routing import COOL_SECONDS, TRIAL_SECONDS, Routes


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def roots(routes, count):
    return [routes.pick().root for _ in range(count)]


def test_a_url_is_base_prefix_and_path():
    route = Routes("https://up.example/", ["/secret-prefix/ "]).pick()
    assert route.url("backend-api/models") == "https://up.example/secret-prefix/backend-api/models"
    assert route.url("/backend-api/x") == "https://up.example/secret-prefix/backend-api/x"


def test_without_a_prefix_the_base_is_the_one_route():
    routes = Routes("http://up/")
    assert len(routes) == 1
    assert roots(routes, 2) == ["http://up", "http://up"]


def test_routes_are_used_in_turn():
    assert roots(Routes("http://up", ["a", "b", "c"]), 5) == [
        "http://up/a",
        "http://up/b",
        "http://up/c",
        "http://up/a",
        "http://up/b",
    ]


def test_a_cooling_route_is_skipped_until_its_time_is_over(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    routes.cool(routes.pick())
    assert roots(routes, 3) == ["http://up/b"] * 3
    clock.now = COOL_SECONDS
    assert "http://up/a" in roots(routes, 2)


def test_a_recovered_route_is_used_at_once(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    first = routes.pick()
    routes.cool(first)
    routes.recover(first)
    assert set(roots(routes, 2)) == {"http://up/a", "http://up/b"}


def test_one_route_alone_is_tried_even_when_it_cools(clock):
    routes = Routes("http://up", ["a"], clock)
    route = routes.pick()
    routes.cool(route)
    assert routes.pick([route]) == route


def test_when_all_cool_they_are_tried_in_turn_anyway(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    for route in (routes.pick(), routes.pick()):
        routes.cool(route)
    assert set(roots(routes, 2)) == {"http://up/a", "http://up/b"}


def test_a_tried_route_is_left_out_if_another_is_warm(clock):
    routes = Routes("http://up", ["a", "b", "c"], clock)
    first, second = routes.pick(), routes.pick()
    routes.cool(second)
    assert [routes.pick([first]).root for _ in range(3)] == ["http://up/c"] * 3


def test_after_its_time_one_request_at_a_time_tries_a_route_that_failed(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    first = routes.pick()
    routes.cool(first)
    clock.now = COOL_SECONDS
    assert roots(routes, 4).count("http://up/a") == 1
    clock.now += TRIAL_SECONDS  # the trial was not reported
    assert roots(routes, 4).count("http://up/a") == 1
    routes.recover(first)
    assert roots(routes, 4).count("http://up/a") == 2


def test_a_route_that_fails_on_trial_cools_again(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    first = routes.pick()
    routes.cool(first)
    clock.now = COOL_SECONDS
    routes.pick()
    routes.cool(first)
    clock.now += COOL_SECONDS - 1
    assert roots(routes, 4) == ["http://up/b"] * 4


def test_there_is_another_way_while_one_works_that_was_not_tried(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    first, second = routes.all
    assert routes.has_other([first])
    assert not routes.has_other([first, second])
    routes.cool(second)
    assert not routes.has_other([first])
    assert not Routes("http://up").has_other(Routes("http://up").all)


def test_what_is_learned_is_undone_and_what_was_seen_is_not(clock):
    routes = Routes("http://up", ["a", "b"], clock)
    first, second = routes.all
    routes.learn(first, 20)
    routes.cool(second)
    routes.learn(second, 1)
    assert [state.cooling_seconds for state in routes.states()] == [20, COOL_SECONDS]
    routes.unlearn(first)
    routes.unlearn(second)
    assert [state.state for state in routes.states()] == ["working", "cooling"]


def test_watchers_hear_of_each_failure_and_of_the_first_success_after_it():
    routes, heard = Routes("http://up", ["a", "b"]), []
    first, second = routes.all
    routes.watch(lambda route, is_failing: heard.append((route.index, is_failing)))
    routes.recover(first)
    routes.cool(first)
    routes.cool(first)
    routes.recover(first)
    routes.learn(second, 5)
    routes.unlearn(second)
    assert heard == [(0, True), (0, True), (0, False)]


def test_states_say_how_each_route_does_and_name_no_prefix(clock):
    routes = Routes("http://up", ["secret", "b"], clock)
    routes.cool(routes.pick())
    clock.now = 10
    states = routes.states()
    assert [state.cooling_seconds for state in states] == [COOL_SECONDS - 10, 0]
    assert [state.state for state in states] == ["cooling", "working"]
    assert "secret" not in repr(states)
    clock.now = COOL_SECONDS
    assert routes.states()[0].state == "on trial"
    routes.pick()
    routes.pick()
    assert routes.states()[0].state == "on trial"
