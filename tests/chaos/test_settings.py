"""What a drill's gateway is configured with."""

from llmctl.chaos.settings import overlaid, settings

KEYS = [{"id": "abcd", "hash": "x", "tenant": "t"}]
BASES = {"up": "http://127.0.0.1:1/v1"}


def test_that_nothing_of_the_users_is_touched_or_called() -> None:
    tree = {
        "server": {"host": "0.0.0.0", "port": 80, "workers": 4, "request_timeout": 10},
        "providers": {"up": {"kind": "anthropic", "api_key": "secret"}},
        "models": {"m": {"provider": "up"}},
        "keys": [{"id": "mine"}],
        "records": {"dir": "/var/lib/llmctl", "content": "none"},
        "budgets": {"dir": "/var/lib/budgets", "limits": {}},
        "cache": {"dir": None},
        "alerts": {"slos": "slo.yaml"},
        "telemetry": {"service": "mine", "otlp": {"endpoint": "https://otlp.example.com"}},
    }
    made = settings(tree, BASES, {"idle_timeout": 1}, KEYS, None)
    assert made == {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 1, "request_timeout": 10},
        "providers": {"up": {"kind": "openai", "base_url": BASES["up"], "idle_timeout": 1}},
        "models": {"m": {"provider": "up"}},
        "keys": KEYS,
        "records": {"dir": "records", "content": "none"},
        "budgets": {"dir": "budgets", "limits": {}},
        "cache": {"dir": None},
        "telemetry": {"service": "mine"},
    }
    assert tree["budgets"] == {"dir": "/var/lib/budgets", "limits": {}}


def test_that_spans_go_to_the_drills_collector() -> None:
    made = settings({}, BASES, {}, KEYS, "http://127.0.0.1:2")
    assert made["telemetry"]["otlp"]["endpoint"] == "http://127.0.0.1:2"
    assert made["models"] == {"up": {"provider": "up"}}


def test_that_settings_are_changed_by_dotted_names_in_a_copy() -> None:
    tree = {"a": {"b": 1}}
    assert overlaid(tree, {"a.b": 2, "a.c": 3, "d.e": {"f": 4}}) == {"a": {"b": 2, "c": 3}, "d": {"e": {"f": 4}}}
    assert tree == {"a": {"b": 1}}
