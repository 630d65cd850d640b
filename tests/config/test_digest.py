from llmctl.config.digest import digest


def test_order_and_secrets_do_not_count_and_the_rest_does() -> None:
    one = digest({"a": 1, "b": {"api_key": "x", "c": 2}})
    assert one == digest({"b": {"c": 2, "api_key": "y"}, "a": 1})
    assert one != digest({"a": 2, "b": {"api_key": "x", "c": 2}})
    assert len(bytes.fromhex(one)) == 16


def test_it_is_the_same_in_every_version() -> None:
    assert digest({"version": 1, "é": [1.5, None, True]}) == "c8d2bca03cc051c51d13352c49a69e13"
