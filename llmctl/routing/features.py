"""What routing may know of a request. Nothing is computed before somebody asks, and nothing twice."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmctl.model.chat import Operation
from llmctl.model.json import JsonObject

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

MEDIA = frozenset({"image_url", "image", "input_image"})
OUTPUTS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Tools:
    """What features are computed with: injected, so that routing needs neither guards nor a loaded table."""

    __slots__ = ("embed", "language")

    def __init__(self, embed: "Callable[[str], NDArray[float32]]", language: Callable[[str], str]) -> None:
        """`embed` gives a text's vector of unit length, `language` its ISO 639-1 code or the empty string."""
        self.embed = embed
        self.language = language


class Features:
    """One request's features. For the time of the exchange; not to be kept."""

    def __init__(
        self,
        payload: JsonObject,
        operation: Operation,
        tools: Tools,
        *,
        tokens: Callable[[], int],
        tenant: str = "",
        key: str = "",
        headers: Mapping[bytes, bytes] | None = None,
        wall: float = 0.0,
        stream: bool = False,
    ) -> None:
        """`tokens` estimates the prompt; `wall` is seconds since the epoch; header names are lower case."""
        self.payload = payload
        self.operation = operation
        self.tenant = tenant
        self.key = key
        self.headers = headers if headers is not None else {}
        self.wall = wall
        self.stream = stream
        self._tools = tools
        self._tokens = tokens

    @property
    def _messages(self) -> Sequence[JsonObject]:
        """Of a chat; what stands there in another request was checked by nobody."""
        messages: Sequence[JsonObject] = self.payload["messages"] if self.operation == "chat" else ()
        return messages

    @cached_property
    def tokens(self) -> int:
        """Tokens of the prompt, an estimate."""
        return self._tokens()

    @cached_property
    def output(self) -> int | None:
        """Tokens the answer may have at most, where the request says so."""
        given = [value for name in OUTPUTS if isinstance(value := self.payload.get(name), int)]
        return max(given, default=None)

    @cached_property
    def text(self) -> str:
        """What the user said last, or the prompt; what complexity and intent are judged by."""
        return said_last(self.payload, self.operation)

    @cached_property
    def embedding(self) -> "NDArray[float32]":
        """The text's vector, shape (256,), of unit length or zero."""
        return self._tools.embed(self.text)

    @cached_property
    def language(self) -> str:
        """The text's language, ISO 639-1; empty where it is not clear."""
        return self._tools.language(self.text)

    @cached_property
    def tools(self) -> bool:
        """Whether the request brings tools, or already holds calls of some."""
        if self.payload.get("tools") or self.payload.get("functions"):
            return True
        return any(message.get("tool_calls") or message.get("role") == "tool" for message in self._messages)

    @cached_property
    def images(self) -> bool:
        """Whether a message holds an image."""
        return any(
            isinstance(part, dict) and isinstance(kind := part.get("type"), str) and kind in MEDIA
            for message in self._messages
            if isinstance(content := message.get("content"), list)
            for part in content
        )

    @cached_property
    def json(self) -> bool:
        """Whether the answer is to be JSON."""
        form = self.payload.get("response_format")
        return isinstance(form, dict) and form.get("type") in ("json_object", "json_schema")

    @cached_property
    def user(self) -> str:
        """The end user, where the client names one."""
        said = self.payload.get("safety_identifier") or self.payload.get("user") or ""
        return said if isinstance(said, str) else ""

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The request's own `metadata`."""
        found = self.payload.get("metadata")
        return found if isinstance(found, dict) else {}

    def header(self, name: str) -> str | None:
        """A header's value; `name` in any case."""
        value = self.headers.get(name.lower().encode("latin-1", "replace"))
        return value.decode("latin-1") if value is not None else None


def said_last(payload: JsonObject, operation: Operation) -> str:
    """What the user said last in a request of the inner dialect, or its prompt; empty where there is none."""
    if operation != "chat":
        return _plain(payload.get("prompt" if operation == "completion" else "input"))
    for message in reversed(payload.get("messages") or ()):
        if message.get("role") == "user":
            return _plain(message.get("content"))
    return ""


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (
            part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None for part in content
        )
        return "\n".join(text for text in texts if isinstance(text, str))
    return ""
