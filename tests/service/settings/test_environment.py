"""Settings from the environment."""

from pathlib import Path

import pytest

from service.settings.config import load_config
from service.settings.problems import ConfigError


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ)
    return list(caught.value.problems)


def test_lists_are_json_or_separated_by_commas():
    for text in ('["a", "b"]', "a,b", " a , b "):
        config = load_config(None, {"GATEWAY_UPSTREAM__API_PREFIXES": text}).config
        assert config.upstream.api_prefixes == ("a", "b")


def test_mappings_are_json():
    config = load_config(None, {"GATEWAY_UPSTREAM__HEADERS": '{"X-Key": "1"}'}).config
    assert config.upstream.headers == {"X-Key": "1"}


def test_one_entry_of_a_mapping_is_added_to_those_of_the_file():
    Path("config.yaml").write_text("upstream: {headers: {A: '1'}}\nmodels: {a: x}")
    environ = {"GATEWAY_UPSTREAM__HEADERS__X-Key": "2", "GATEWAY_MODELS__gpt-5.1": "gpt-5-1"}
    config = load_config(None, environ).config
    assert config.upstream.headers == {"A": "1", "X-Key": "2"}
    assert config.models["gpt-5.1"].slug == "gpt-5-1"
    assert config.models["a"].slug == "x"


def test_a_whole_mapping_takes_the_place_of_that_of_the_file():
    Path("config.yaml").write_text("upstream: {headers: {A: '1'}}")
    config = load_config(None, {"GATEWAY_UPSTREAM__HEADERS": '{"B": "2"}'}).config
    assert config.upstream.headers == {"B": "2"}


def test_the_seeds_names_are_read_and_told():
    loaded = load_config(
        None, {"PROCESS_WORKERS": "3", "PROCESS_THREADS": "5", "KEY_FOR_GPTS_INFO": "k"}
    )
    assert (loaded.config.server.workers, loaded.config.server.threads) == (3, 5)
    assert loaded.config.gpts_key.get_secret_value() == "k"
    assert loaded.notes == (
        "read `KEY_FOR_GPTS_INFO` as `gpts_key`",
        "read `PROCESS_THREADS` as `server.threads`",
        "read `PROCESS_WORKERS` as `server.workers`",
    )


def test_an_empty_variable_of_the_seed_is_as_good_as_none():
    loaded = load_config(None, {"PROCESS_WORKERS": "", "KEY_FOR_GPTS_INFO": ""})
    assert loaded.config.server.workers == 1
    assert loaded.notes == ()


def test_the_seeds_variable_goes_before_its_file():
    Path("c.json").write_text('{"process_workers": 2}')
    config = load_config(Path("c.json"), {"PROCESS_WORKERS": "4"}).config
    assert config.server.workers == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENS__SECRET", "s3cret"),
        ("TOKENS__OLD_SECRETS", "s3cret,older"),
        ("GPTS_KEY", "s3cret"),
        ("SERVER__ADMIN_KEY", "s3cret"),
        ("STORAGE__STATE", "redis://:s3cret@h:1/0"),
        ("UPSTREAM__PROXY", "http://u:s3cret@h:1"),
        ("UPSTREAM__HEADERS", '{"X-Key": "s3cret"}'),
    ],
)
def test_a_secret_may_be_the_name_of_its_file(tmp_path, name, value):
    path = tmp_path / "secret"
    path.write_text(value + "\n")
    by_file = load_config(None, {f"GATEWAY_{name}_FILE": str(path)}).config
    assert by_file == load_config(None, {f"GATEWAY_{name}": value}).config


def test_gpts_file_is_a_setting_and_no_secrets_file():
    Path("mine.yaml").write_text("a: g-a")
    assert list(load_config(None, {"GATEWAY_GPTS_FILE": "mine.yaml"}).config.gpts) == ["a"]


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"GATEWAY_UPSTREAM__BASEURL": "x"},
         "GATEWAY_UPSTREAM__BASEURL: no such setting; the nearest is GATEWAY_UPSTREAM__BASE_URL"),
        ({"GATEWAY_SERVER__PORT_FILE": "x"},
         "GATEWAY_SERVER__PORT_FILE: no such setting; the nearest is GATEWAY_SERVER__PORT"),
        ({"GATEWAY_GPTS_KEY_FILE": "gone"},
         "gpts_key (given as GATEWAY_GPTS_KEY_FILE): cannot read the file gone"),
        ({"GATEWAY_GPTS_KEY": "a", "KEY_FOR_GPTS_INFO": "b"},
         "gpts_key: given both as GATEWAY_GPTS_KEY and as KEY_FOR_GPTS_INFO; keep one"),
        ({"GATEWAY_UPSTREAM__HEADERS": "[1]"},
         "upstream.headers (given as GATEWAY_UPSTREAM__HEADERS): '******' is not valid, it must be a mapping (in the environment: a JSON object)"),
        ({"GATEWAY_SERVER__PORT": ""},
         "server.port (given as GATEWAY_SERVER__PORT): '' is not valid, it must be a whole number from 0 to 65535"),
        ({"PROCESS_WORKERS": "many"},
         "server.workers (given as PROCESS_WORKERS): 'many' is not valid, it must be a whole number of 1 or more"),
    ],
)  # fmt: skip
def test_an_error_names_the_variable(environ, line):
    assert problems(environ) == [line]


def test_other_variables_are_not_ours():
    assert load_config(None, {"PATH": "/bin", "GATEWAYS": "1"}).notes == ()


def test_what_kubernetes_says_about_a_service_of_that_name_is_passed_over():
    environ = {
        "GATEWAY_SERVICE_HOST": "10.0.0.1",
        "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT": "tcp://10.0.0.1:80",
        "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load_config(None, environ).notes == ()
    assert problems({"GATEWAY_PORT": "80"}) == [
        "GATEWAY_PORT: no such setting; the nearest is GATEWAY_SERVER__PORT"
    ]
