"""A judge model behind any OpenAI-compatible `/chat/completions`: Llama Guard, ShieldGemma, or one's own rubric."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from llmctl.embedding.base import sendable
from llmctl.guards.asked import judge_answers, judge_prompts
from llmctl.guards.asked.http import Remote, RemoteOptions
from llmctl.guards.asked.judge_answers import Reading
from llmctl.guards.asked.judge_prompts import POLICIES, TAXONOMY
from llmctl.guards.asked.windows import each, windows, worst
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Verdict
from llmctl.model.json import JsonObject
from llmctl.net.transport import Transport

Style = Literal["llama_guard", "shieldgemma", "custom"]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

THRESHOLDS: dict[Preset, float] = {"strict": 0.3, "balanced": 0.5, "lenient": 0.7}
_TOKENS: dict[Style, int] = {"llama_guard": 64, "shieldgemma": 8, "custom": 300}


class JudgeOptions(RemoteOptions):
    """Options of `judge`. The preset sets the threshold, which only matters where the judge gives a score."""

    base_url: str = Field(description="URL up to and with `/v1`.")
    model: str = Field(min_length=1, description="The judge model's name at that server.")
    style: Style = Field("llama_guard", description="How it is asked and how its answer is read.")
    template: bool | None = Field(
        None,
        description="Whether the server's chat template writes the judge's prompt (Llama Guard's own does; that of "
        "ShieldGemma takes `guideline`). False writes it into one message. Default: true for llama_guard only.",
    )
    threshold: Share | None = Field(None, description="Score from which it counts. Default: by preset, 0.3, 0.5, 0.7.")
    categories: tuple[str, ...] = Field(
        (), description="llama_guard: the codes that count, default all. custom: what the judge may answer with."
    )
    policies: dict[str, str] = Field(
        default_factory=lambda: dict(POLICIES),
        min_length=1,
        description="shieldgemma: category to the text of its policy, each asked by itself; {who} is who must keep it.",
    )
    rubric: str | None = Field(None, min_length=1, max_length=20_000, description="custom: what is a violation.")
    logprobs: bool = Field(True, description="Ask for logprobs, which give a score; false for servers that refuse to.")
    json_mode: bool = Field(True, description="custom: ask for JSON mode; false for servers that refuse to.")
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the request; null leaves one of ours out."
    )
    action: Literal["warn", "block"] = Field("block", description="What a violation is worth.")
    max_chars: int = Field(8_000, ge=200, description="Longer texts are judged in windows of so many characters.")
    overlap: int = Field(400, ge=0, description="Characters that neighbouring windows share.")
    max_windows: int = Field(32, ge=1, le=1_000, description="A text that takes more windows is an error.")

    @model_validator(mode="after")
    def _fits(self) -> "JudgeOptions":
        if self.overlap * 2 > self.max_chars:
            raise ValueError("overlap is more than half of max_chars; lower it")
        if (self.rubric is not None) != (self.style == "custom"):
            raise ValueError("style custom needs a rubric, and no other style takes one")
        if self.style == "llama_guard" and (unknown := sorted(set(self.categories) - TAXONOMY.keys())):
            raise ValueError(f"categories: {', '.join(unknown)} is none of Llama Guard's; write S1 to S14")
        if self.style == "shieldgemma" and self.categories:
            raise ValueError("style shieldgemma takes no categories; name them in policies")
        if self.style != "shieldgemma" and "policies" in self.model_fields_set:
            raise ValueError("policies are for style shieldgemma; write a rubric (custom) or categories (llama_guard)")
        if self.style == "custom" and self.template:
            raise ValueError("style custom writes its own prompt; take template out")
        if any(not name or len(name) > 100 for name in (*self.categories, *self.policies)):
            raise ValueError("a category's name has 1 to 100 characters")
        return self


class Judge:
    """Asks a judge model. See `judge_prompts` for what protects it from the text, and what does not."""

    Options: ClassVar[type[GuardOptions]] = JudgeOptions
    directions: ClassVar[frozenset[Direction]] = frozenset(get_args(Direction))

    def __init__(self, options: JudgeOptions, transport: Transport) -> None:
        self._options = options
        self._remote = Remote("judge", options.base_url, options, transport)
        self._threshold = THRESHOLDS[options.preset] if options.threshold is None else options.threshold
        self._codes = list(options.categories or TAXONOMY)
        self._categories = options.categories or ("violation",)
        self._template = options.style == "llama_guard" if options.template is None else options.template

    async def judge(self, text: str, about: About) -> Verdict:
        """The worst of its windows, and with ShieldGemma of its policies. Of the question one window is shown."""
        if not text.strip():
            return ALLOW
        given = self._options
        about = About(about.direction, question=sendable(about.question)[: given.max_chars])
        places = windows(len(text), given.max_chars, given.overlap, given.max_windows)
        pieces = [sendable(text[start:end]) for start, end in places]
        names = list(given.policies) if given.style == "shieldgemma" else [""]

        async def ask(item: tuple[str, str]) -> Verdict:
            return await self._ask(*item, about)

        return worst(await each(ask, [(piece, name) for piece in pieces for name in names]))

    def close(self) -> None:
        """Nothing to give back."""

    async def _ask(self, text: str, policy: str, about: About) -> Verdict:
        answer = await self._remote.ask(b"/chat/completions", self._payload(text, policy, about))
        try:
            content, logprobs = judge_answers.content_of(answer)
            if self._options.style == "llama_guard":
                return self._by_codes(judge_answers.llama_guard(content, logprobs))
            if self._options.style == "shieldgemma":
                return self._verdict(judge_answers.shieldgemma(content, logprobs).score, policy)
            reading = judge_answers.rubric(content, self._categories)
        except ValueError as error:
            raise self._remote.nonsense(str(error)) from None
        return self._verdict(reading.score, *(reading.categories or self._categories[:1]))

    def _payload(self, text: str, policy: str, about: About) -> JsonObject:
        given = self._options
        payload: JsonObject = {"model": given.model, "temperature": 0, "max_tokens": _TOKENS[given.style]}
        if given.style == "custom":
            payload["messages"] = judge_prompts.rubric(text, about, given.rubric or "", self._categories)
            if given.json_mode:
                payload["response_format"] = {"type": "json_object"}
        else:
            if given.logprobs:
                payload |= {"logprobs": True, "top_logprobs": 5}
            if self._template:
                payload["messages"] = judge_prompts.turns(text, about)
            elif given.style == "llama_guard":
                payload["messages"] = judge_prompts.llama_guard(text, about, self._codes)
            else:
                payload["messages"] = judge_prompts.shieldgemma(text, about, given.policies[policy])
        if self._template and given.style == "shieldgemma":
            guideline = judge_prompts.guideline(given.policies[policy], about)
            payload["chat_template_kwargs"] = {"guideline": guideline}
        return {key: value for key, value in {**payload, **given.extra}.items() if value is not None}

    def _by_codes(self, reading: Reading) -> Verdict:
        if reading.categories and not (counted := [code for code in reading.categories if code in self._codes]):
            return Verdict(
                "allow", 0.0, f"judged unsafe, by categories that do not count: {', '.join(reading.categories)}"
            )
        if not reading.categories:
            return self._verdict(reading.score, "unsafe")
        names = [f"{code} {TAXONOMY[code]}" for code in counted]
        return self._verdict(reading.score, *names)

    def _verdict(self, score: float, *categories: str) -> Verdict:
        if score < self._threshold:
            return Verdict("allow", score)
        named = ", ".join(categories)
        return Verdict(self._options.action, score, f"judge ({self._options.style}): {named}", categories[0])
