from typing import Any

from llmctl.config.diff import Difference, diff
from llmctl.config.schema import Config, ModelConfig

HASH = "0" * 32 + ":" + "0" * 64


def config(**sections: Any) -> Config:
    base: dict[str, Any] = {"providers": {"p": {"kind": "x"}}, "models": {"m": {"provider": "p"}}}
    return Config.model_validate(base | sections)


def test_what_means_the_same_does_not_differ() -> None:
    assert diff(config(server={"keep_alive": "75s", "port": 8080}), config()) == []


def test_added_removed_and_changed() -> None:
    old = config(server={"port": 1}, models={"m": {"provider": "p"}, "gone": {"provider": "p"}})
    new = config(server={"port": 2}, models={"m": {"provider": "p"}, "new": {"provider": "p"}})
    fresh = ModelConfig(provider="p").model_dump(mode="json")
    assert diff(old, new) == [
        Difference("changed", "server.port", 1, 2),
        Difference("removed", "models.gone", old=fresh),
        Difference("added", "models.new", new=fresh),
    ]


def test_keys_are_compared_by_their_ids() -> None:
    one, two = {"id": "aaaa", "hash": HASH}, {"id": "bbbb", "hash": HASH}
    assert diff(config(keys=[one, two]), config(keys=[two, one])) == []
    assert [(d.change, d.path) for d in diff(config(keys=[one]), config(keys=[two, {**one, "tenant": "t"}]))] == [
        ("changed", "keys.aaaa.tenant"),
        ("added", "keys.bbbb"),
    ]


def test_a_rotated_secret_is_seen_and_not_shown() -> None:
    def with_key(key: str) -> Config:
        return config(providers={"p": {"kind": "x", "api_key": key, "nested": {"headers": {"x-auth": key}}}})

    differences = diff(with_key("old-secret"), with_key("new-secret"))
    assert [d.path for d in differences] == ["providers.p.api_key", "providers.p.nested.headers.x-auth"]
    assert "secret" not in str(differences)


def test_whole_sections_and_urls_are_masked() -> None:
    secret = {"kind": "x", "api_key": "hidden", "url": "http://u:hidden@h", "list": ["http://u:hidden@h"]}
    assert "hidden" not in str(diff(config(), config(providers={"p": {"kind": "x"}, "q": secret})))
    assert "hidden" not in str(diff(config(), config(providers={"p": secret})))
