import yaml

from llmctl.alerts.document import document


def test_it_is_yaml_in_the_order_given() -> None:
    shared = {"x": 1}
    value = {"b": "one\ntwo", "a": [shared, shared], "c": '{"q"}: x # y'}
    text = document(value, "first\nsecond")
    assert yaml.safe_load(text) == value
    assert text.startswith("# first\n# second\nb: |-\n  one\n  two\na:\n")
    assert "&" not in text
