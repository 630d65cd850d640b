"""The ledger as FOCUS 1.2 rows (FinOps Open Cost and Usage Specification), one per day, model, tenant, key and route.

What FOCUS does not know stands in columns of our own, `x_…`. FOCUS allows no empty cost, so what is unpriced is no row:
`unpriced` says how many requests that leaves out.
"""

# ruff: noqa: S608 - the SQL is made of our own names

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from llmctl.reports.columns import BOOKING, BUCKETS, PRICING, STATUS
from llmctl.reports.duck import Database
from llmctl.reports.text import number, to_csv

# Every column of FOCUS 1.2; https://focus.finops.org/focus-specification/v1-2/
_KNOWN = """
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency
    BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass
    ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory
    CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus
    CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice
    EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency
    PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity
    PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory
    ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName
    SubAccountType Tags
"""
_MANDATORY = """
    BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart
    ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost
    InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory
    ServiceName
"""
KNOWN, MANDATORY = frozenset(_KNOWN.split()), frozenset(_MANDATORY.split())
COLUMNS = (
    *PRICING,
    *("shadow_of", "cache", "day", "provider", "billed_model", "model"),
    *("tenant", "key", "route", "price_version", *(f"{bucket}_tokens" for bucket in BUCKETS)),
)
_BY = ("provider", "billed_model", "model", "tenant", "key", "route", "price_version")


@dataclass(frozen=True, slots=True)
class Focus:
    """Rows by column name, and how many requests have no row because their cost is not known."""

    rows: tuple[dict[str, Any], ...]
    unpriced: int


def focus(database: Database, account: str) -> Focus:
    """The ledger's charges, billed to `account`. Requests that no provider bills are no charge."""
    by = ", ".join(f'"{name}"' for name in _BY)
    sums = ", ".join(f"sum({bucket}_tokens)" for bucket in BUCKETS)
    found = database.rows(
        f"SELECT day, {BOOKING} AS booking, {STATUS} AS status, {by}, count(*), sum(cost_usd), {sums} "
        "FROM ledger GROUP BY ALL ORDER BY ALL",
        doing="adding up the charges",
    )
    rows, unpriced = [], 0
    for day, booking, status, *rest in found:
        names = dict(zip(_BY, rest, strict=False))
        count, usd, *tokens = rest[len(_BY) :]
        if status == "unpriced":
            unpriced += count
        elif status != "none":
            rows.append(_row(account, day, (booking, status), names, count, usd, [int(n) for n in tokens]))
    return Focus(tuple(rows), unpriced)


def _row(
    account: str,
    day: date,
    booked: tuple[str, str],
    names: dict[str, str],
    count: int,
    usd: Decimal,
    tokens: Sequence[int],
) -> dict[str, Any]:
    month = day.replace(day=1)
    total, sku = sum(tokens), names["billed_model"] or names["model"]
    cost, provider = number(usd), names["provider"] or "unknown"
    tags = {name: names[name] for name in ("tenant", "key", "route") if names[name]}
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        "BillingAccountId": account,
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _at(month),
        "BillingPeriodEnd": _at((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"Calls of {sku}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _at(day),
        "ChargePeriodEnd": _at(day + timedelta(days=1)),
        "ConsumedQuantity": total,
        "ConsumedUnit": "Tokens",
        "InvoiceIssuerName": provider,
        "PricingCategory": "Standard",
        "PricingQuantity": total,
        "PricingUnit": "Tokens",
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": provider,
        "SkuId": sku or None,
        "SkuPriceId": f"{sku}@{names['price_version']}" if sku and names["price_version"] else None,
        "SubAccountId": names["tenant"] or None,
        "Tags": json.dumps(tags, ensure_ascii=False, sort_keys=True),
        "x_Booking": booked[0],
        "x_CostStatus": booked[1],
        "x_Requests": count,
        "x_Model": names["model"],
        **{f"x_{bucket.title().replace('_', '')}Tokens": n for bucket, n in zip(BUCKETS, tokens, strict=True)},
    }


def as_csv(found: Focus, account: str) -> str:
    """A header of column names, also where there is no row; null is empty."""
    none = dict.fromkeys(_BY, "")
    header = list(_row(account, date(2000, 1, 1), ("request", "exact"), none, 0, Decimal(0), [0] * len(BUCKETS)))
    return to_csv(header, ([row[name] for name in header] for row in found.rows))


def _at(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
