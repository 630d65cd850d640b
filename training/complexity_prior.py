"""Requests typed for this project, and what is assumed: easy ones any model answers, hard ones a weak one does not.

Nobody measured these outcomes: they are a prior. The labelled data are examinations, and a model fitted to those alone
takes greetings for middling and proofs for simple. They were typed after seeing that, so the probes of complexity.py,
which are of the same kinds, show what was taught and measure nothing.
"""

EASY = (
    "{}", "Hello, {}", "{} please", "Hi there, can you help me? {}",
)  # fmt: skip
EASY_PARTS = (
    "hi", "thanks, that was all", "good morning", "What is the capital of {place}?", "What time is it in {place}?",
    "Translate 'where is the {thing}?' into Spanish.", "How do you say {thing} in French?", "Define {topic}.",
    "Summarise this email in one sentence: the {thing} arrives on Monday, please tell the others.",
    "Rewrite this more politely: send me the {thing} now.", "Write a short poem about the {thing}.",
    "Write a haiku about {place}.", "Tell me a joke about a {thing}.", "Give me three synonyms for {topic}.",
    "I lost my {thing}, what do I do?", "Where is my order? I bought a {thing} last week.", "Cancel my {thing}.",
    "Book a table in {place} for four.", "Play something calm about {topic}.", "Remind me to buy a {thing}.",
    "What are your opening hours in {place}?", "How do I reset my password?", "Convert 5 miles to kilometres.",
    "Is this review positive or negative? I love the {thing}.", "What does {topic} mean?", "Who wrote about {topic}?",
    "List five facts about {place}.", "Write a caption for a photo of a {thing}.", "Correct the spelling: teh {thing}.",
    "Extract the city from: we met in {place} on Friday.", "What is 12 plus 30?", "Suggest a name for my {thing}.",
)  # fmt: skip
HARD = (
    "{}", "{} Show every step.", "{} Explain your reasoning and justify each assumption.",
    "I need a rigorous answer. {}",
)  # fmt: skip
HARD_PARTS = (
    "Prove that {claim}.", "Prove or disprove: {claim}.", "Derive {derived} from first principles.",
    "Derive the gradient of {derived} with respect to its parameters.",
    "Design {system} and analyse the trade-offs between consistency, latency and cost.",
    "Design {system} that survives the loss of a region; give the failure modes and how each is detected.",
    "Implement {system} in Rust without allocation on the hot path, with tests for the edge cases.",
    "Here is {system} that deadlocks once a week under load. Find the race, explain why it is rare, and fix it.",
    "Refactor {system} so that it can be tested without the network, and keep the public interface as it is.",
    "Optimise this query plan for {system}: it scans nine million rows to return forty.",
    "Compare three algorithms for {system}, with their complexity in the worst case and on real hardware.",
    "Evaluate the evidence for and against {debate}, and say which studies are confounded and how.",
    "Critique the argument for {debate} and construct the strongest reply to it.",
    "Analyse the tax and liability consequences of {debate} for a company with subsidiaries in two countries.",
    "Plan a migration of {system} with no downtime, the order of the steps, and how to roll each one back.",
    "Find all integer solutions such that {claim}, and show that there are no others.",
    "Compute the expected number of steps until {claim}, then its variance.",
)  # fmt: skip
FILL = {
    "place": ("France", "Peru", "Tokyo", "Canada", "Nairobi", "Oslo"),
    "thing": ("card", "bicycle", "cat", "coffee machine", "phone", "umbrella"),
    "topic": ("photosynthesis", "inflation", "courage", "gravity", "irony", "recycling"),
    "claim": (
        "the square root of 3 is irrational", "every finite group of prime order is cyclic", "the series converges",
        "a random walk on the plane returns", "x^3 + y^3 = z^2 + 7", "the halting problem reduces to it",
    ),
    "derived": (
        "the cross-entropy loss", "the Black-Scholes equation", "Maxwell's wave equation", "the evidence lower bound",
        "the Euler-Lagrange equations", "the bias of the estimator",
    ),
    "system": (
        "a rate limiter", "a distributed lock service", "a lock-free queue", "a recommendation pipeline",
        "a payment ledger", "a compiler pass for constant folding",
    ),
    "debate": (
        "a carbon border tax", "minimum wages raising employment", "a dual-class share structure",
        "screening for rare diseases", "moral realism", "an intercompany loan",
    ),
}  # fmt: skip


def requests(frames: tuple[str, ...], parts: tuple[str, ...]) -> list[str]:
    """Every part, filled in each way, in one frame after the other: frames and fillings are dealt, not multiplied."""
    found: list[str] = []
    for part in parts:
        slot = next((name for name in FILL if f"{{{name}}}" in part), None)
        for filling in FILL[slot] if slot else ("",):
            text = part.replace(f"{{{slot}}}", filling)
            found.append(frames[len(found) % len(frames)].format(text))
    return found


def rows() -> list[tuple[str, str, bool]]:
    """(request, the part that it was made of, whether it is hard): a part's requests belong in one fold."""
    result = []
    for frames, parts, hard in ((EASY, EASY_PARTS, False), (HARD, HARD_PARTS, True)):
        result += [(text, part, hard) for part in parts for text in requests(frames, (part,))]
    return result
