"""`hotmic config`: the merged configuration as the program sees it."""

import tomllib

import pytest
from hotmic_py import SOURCE


def test_prints_valid_toml_with_where_each_value_came_from(hotmic, home):
    (home / "hotmic.toml").write_text('[server]\nhost = "0.0.0.0"\n')
    shown = hotmic("config", "--port", "1234", env={"HOTMIC_LOG_LEVEL": "debug"})
    assert shown.code == 0
    read = tomllib.loads(shown.out)
    assert read["server"]["host"] == "0.0.0.0"
    assert read["server"]["port"] == 1234
    assert read["log"]["level"] == "debug"
    origins = {line.split(" = ")[0]: line.rsplit("# ")[-1] for line in shown.out.splitlines() if " = " in line}
    assert origins["host"] == "file hotmic.toml:2"
    assert origins["port"] == "flag --port"
    assert 'level = "debug"' in shown.out and "# environment HOTMIC_LOG_LEVEL" in shown.out
    assert origins["io_threads"] == "default"


def test_json_says_the_same(hotmic):
    told = hotmic("config", "--json", "--set", "models.default.warmup.level3.iterations=9", "--level", "3").json()
    assert told["config"]["models"]["default"]["warmup"]["level3"]["iterations"] == 9
    assert told["origins"]["models.default.warmup.level3.iterations"] == "flag --set"
    assert told["origins"]["models.default.warmup.level"] == "flag --level"
    assert told["origins"]["server.port"] == "default"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_masked(hotmic, form):
    shown = hotmic("config", *form, env={"HOTMIC_SERVER_API_KEYS": "open-sesame"})
    assert shown.code == 0
    assert "open-sesame" not in shown.out + shown.err
    assert "****" in shown.out


def test_the_file_is_found_in_the_documented_order(hotmic, home):
    user = home / ".config/hotmic"
    user.mkdir(parents=True)
    (user / "hotmic.toml").write_text("server.port = 1\n")
    (home / "mine.toml").write_text("server.port = 4\n")
    port = lambda *arguments, **env: hotmic("config", "--json", *arguments, env=env).json()["config"]["server"]["port"]
    assert port() == 1
    xdg = home / "xdg/hotmic"
    xdg.mkdir(parents=True)
    (xdg / "hotmic.toml").write_text("server.port = 2\n")
    assert port(XDG_CONFIG_HOME=home / "xdg") == 2
    (home / "hotmic.toml").write_text("server.port = 3\n")
    assert port(XDG_CONFIG_HOME=home / "xdg") == 3
    assert port(HOTMIC_CONFIG=home / "mine.toml") == 4
    assert port("--config", "mine.toml") == 4


@pytest.mark.parametrize(
    "text, says",
    [
        ("[server]\nprot = 1\n", ["hotmic.toml: line 2, column", "there is no key server.prot", "did you mean server.port?"]),
        ('[server]\nport = "x"\n', ["expected an integer from 0 to 65535", 'found a string "x"', "line 2"]),
        ("[server\n", ["line 1"]),
        ("[models.a]\n[models.b]\n", ["the models a, b", "set default_model"]),
        ("[models.default]\nfallback = ['smal']\n[models.small]\n", ["models.default.fallback", "did you mean small?"]),
        ("[models.default.warmup]\nlevel3.iterations = 2\n", ["warmup.level3.iterations", "warmup.level"]),
        ("[models.default.warmup]\nbudget_ms = 9\ntimeout_ms = 8\n", ["warmup.budget_ms", "warmup.timeout_ms"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_remedy(hotmic, home, text, says):
    (home / "hotmic.toml").write_text(text)
    for command in (["config"], ["serve"], ["doctor"]):
        done = hotmic(*command)
        assert done.code == 7
        for each in says:
            assert each in done.err + done.out


def test_every_model_is_printed_and_flags_are_about_the_default_one(hotmic, home):
    (home / "hotmic.toml").write_text('default_model = "b"\n[models.a]\nload = "demand"\n[models.b]\n[server]\nadmin_key = "sesame"\n')
    shown = hotmic("config", "--slots", "3", env={"HOTMIC_MODELS_A_SLOTS": "2"})
    assert shown.code == 0, shown.err
    read = tomllib.loads(shown.out)
    assert (read["models"]["a"]["slots"], read["models"]["b"]["slots"]) == (2, 3)
    assert read["models"]["a"]["load"] == "demand"
    assert "sesame" not in shown.out
    told = hotmic("config", "--json", "-M", "a", "--slots", "3").json()
    assert told["model"] == "a"
    assert told["config"]["models"]["a"]["slots"] == 3 and told["config"]["models"]["b"]["slots"] == 0


def test_an_unknown_variable_is_refused(hotmic):
    done = hotmic("config", env={"HOTMIC_SERVER_PROT": "1"})
    assert done.code == 7
    assert "HOTMIC_SERVER_PROT is not a setting; did you mean HOTMIC_SERVER_PORT?" in done.err


def test_a_file_asked_for_must_exist(hotmic):
    done = hotmic("config", "--config", "none.toml")
    assert done.code == 7
    assert "--config names none.toml" in done.err


def test_docs_are_what_the_repository_holds(hotmic):
    assert hotmic("config", "--docs").out == (SOURCE / "docs/configuration.md").read_text()
