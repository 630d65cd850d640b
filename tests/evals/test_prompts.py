import pytest

from llmctl.evals.prompts import Prompt, UnfitPrompt


def test_a_text_is_what_the_user_says() -> None:
    prompt = Prompt("What is {{ a }} + {{ b }}?\n")
    assert prompt.messages({"a": 1, "b": 2}) == [{"role": "user", "content": "What is 1 + 2?\n"}]


def test_every_text_of_messages_is_a_template() -> None:
    prompt = Prompt(
        [
            {"role": "system", "content": "{% if formal %}Sir{% else %}Hi{% endif %}"},
            {"role": "user", "content": [{"type": "text", "text": "{{ q }}"}, {"type": "x", "n": 3}]},
        ]
    )
    assert prompt.messages({"formal": True, "q": "<b>&"}) == [
        {"role": "system", "content": "Sir"},
        {"role": "user", "content": [{"type": "text", "text": "<b>&"}, {"type": "x", "n": 3}]},
    ]


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnfitPrompt, match="'answr' is undefined"):
        Prompt("{{ answr }}").messages({"answer": 1})


def test_what_is_no_template_is_an_error_when_it_is_made() -> None:
    with pytest.raises(UnfitPrompt, match="is no template, line 2"):
        Prompt("a\n{{ b }")


@pytest.mark.parametrize(
    "text", ["{{ ''.__class__.__mro__ }}", "{{ q.append(1) }}", "{{ cycler.__init__.__globals__ }}", "{{ 1 / 0 }}"]
)
def test_nothing_gets_out_of_the_sandbox(text: str) -> None:
    with pytest.raises(UnfitPrompt):
        Prompt(text).messages({"q": []})
