"""What a request may cost is reserved before a model is asked; what it did cost is settled in every case.

The reservation is an estimate: tokens of the prompt by its bytes, tokens of the answer by the maximum that was asked
for. What is settled is the cost that the record has, of copies too.
"""

from collections.abc import Mapping, Sequence

from llmctl.errors import Blocked, OverBudget
from llmctl.gateway.client import Client
from llmctl.gateway.reserves import Reserves
from llmctl.gateway.stages.limits import output
from llmctl.gateway.tally import asked
from llmctl.limits.budget import Account, Standing, Subject
from llmctl.model.exchange import Exchange
from llmctl.model.pricing import Price, PriceList
from llmctl.model.record import GuardAction, GuardResult, passed
from llmctl.model.usage import Usage

KIND = "budget"


class Budget:
    """Checks all budgets, then takes from all of them: a refused request has nothing reserved."""

    name = "budget"

    def __init__(
        self,
        accounts: Sequence[Account],
        prices: PriceList,
        reserves: Mapping[str, Reserves],
    ) -> None:
        """`reserves` has every name a client may ask for."""
        self._accounts = tuple(accounts)
        self._prices = prices
        self._reserves = dict(reserves)

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `budgeted`, and `limits` where little is left. Raises OverBudget, or Blocked where no price is known."""
        taking: list[tuple[Account, Subject, float]] = []
        prompt = asked(exchange)
        for account in self._accounts:
            subject = subject_of(account, exchange)
            if subject is None:
                continue
            if account.config.unpriced == "block":
                self._priced(account, exchange)
            most, least = self._costs(exchange, prompt, account.config.assumed_output)
            fits = next((usd for usd in (most, least) if account.check(subject, usd)), None)
            if fits is None:
                self._over(account, subject, least, exchange)
            else:
                exchange.passed.append(passed(KIND, "input", account.name))
            taking.append((account, subject, most if fits is None else fits))
        for account, subject, usd in taking:
            exchange.budgeted.append((account, account.take(subject, usd)))
            standing = account.standing(subject)
            if standing.share >= account.config.soft:
                exchange.limits += _header(account, standing)

    def _costs(self, exchange: Exchange, prompt: int, assumed: int) -> tuple[float, float]:
        """The most that is to be expected, with all that its route holds in reserve, and without that."""
        decision = exchange.decision
        assert decision is not None
        answer = 0 if exchange.operation == "embedding" else output(exchange.payload, assumed)
        reserves = self._reserves[exchange.requested_model]
        others = {name for models in reserves.fallbacks.values() for name in models} | set(reserves.cheaper)
        own = self._cost(decision.model, prompt, answer)
        panel = sum(self._cost(name, prompt, answer) for name in decision.panel)
        dearest = max((own, *(self._cost(name, prompt, answer) for name in others)))
        times = 2 if reserves.hedge is not None else 1
        return panel + dearest * times, panel + own

    def _cost(self, model: str, prompt: int, answer: int) -> float:
        price = self._prices.of(model)
        return dear(price, prompt, answer) if price is not None else 0.0

    def _priced(self, account: Account, exchange: Exchange) -> None:
        decision = exchange.decision
        assert decision is not None
        for model in (decision.model, *decision.panel):
            if self._prices.of(model) is None:
                raise Blocked(
                    f"budget {account.name!r} lets nothing pass whose price is not known, and that of model {model!r} "
                    "is not; ask for another model, or have its price written under `prices`"
                )

    def _over(self, account: Account, subject: Subject, usd: float, exchange: Exchange) -> None:
        """Raises OverBudget where the limit is a hard one; else it is only told."""
        standing = account.standing(subject)
        hard = account.config.hard
        action: GuardAction = "block" if hard else "would_block"
        why = f"{standing.spent + standing.reserved:.4f} of {standing.limit:g} $ spent or reserved"
        exchange.guards.append(GuardResult(KIND, "input", "block", action, 1.0, why, policy=account.name))
        if not hard:
            return
        exchange.limits += _header(account, standing) + b"x-should-retry: false\r\n"
        raise OverBudget(
            f"over the budget {account.name!r}: this request may cost {usd:.6f} $, and {why}; the period ends in "
            f"{standing.reset_s:.0f} s, so do not ask again before, or ask for less with max_tokens",
            retry_after=standing.reset_s,
        )


class SettleBudget:
    """Closing step, after the cost is known: budgets are charged what the record says, also for copies."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = tuple(accounts)

    def close(self, exchange: Exchange) -> None:
        """Settle what was reserved, and charge what was not."""
        usd, counts = exchange.cost.usd, exchange.usage.source != "none"
        held = {id(account): held for account, held in exchange.budgeted}
        exchange.budgeted = []
        for account in self._accounts:
            if (own := held.get(id(account))) is not None:
                account.settle(own, usd, counts=counts)
            elif (usd or (usd is None and counts)) and (subject := subject_of(account, exchange)) is not None:
                account.charge(subject, usd, counts=counts)


def subject_of(account: Account, exchange: Exchange) -> Subject | None:
    """Whose money the exchange spends; None where this budget does not apply to it."""
    principal = exchange.principal
    if principal is None:
        return account.subject("", "", exchange.requested_model)
    return account.subject(principal.tenant, principal.key, exchange.requested_model)


def dear(price: Price, prompt: int, answer: int) -> float:
    """Dollars at the dearer of two prices of a prompt: read anew, or written to the provider's cache as well; and of
    an answer: said, or thought."""
    prompts, answers = ({"input": prompt}, {"cached_write": prompt}), ({"output": answer}, {"reasoning": answer})
    usages = [Usage(**read, **made, source="estimated") for read in prompts for made in answers]
    return max([price.cost(usage).usd or 0.0 for usage in usages])


def _header(account: Account, standing: Standing) -> bytes:
    return b"x-llmctl-budget: %b %d%%\r\n" % (account.name.encode("ascii"), int(standing.share * 100))
