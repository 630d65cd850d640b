"""Names of alerts, and their texts, which are Prometheus' templates: filled in as Prometheus does."""

from collections.abc import Mapping

from llmctl.alerts.readings import Labels


def filled(annotations: Mapping[str, str], labels: Labels, value: float) -> dict[str, str]:
    """What our rules' templates say of an alert with these labels and this value."""
    shown = {
        "{{ $value | humanizePercentage }}": f"{value * 100:.4g}%",
        '{{ printf "%.2f" $value }}': f"{value:.2f}",
        '{{ printf "%.3g" $value }}': f"{value:.3g}",
        **{f"{{{{ $labels.{label} }}}}": text for label, text in labels.items()},
    }
    return {key: _replaced(text, shown) for key, text in annotations.items()}


def titled(name: str) -> str:
    """`LlmctlFirstToken` for the promise `first-token`: how its alerts' names begin."""
    return "Llmctl" + "".join(part.capitalize() for part in name.split("-"))


def _replaced(text: str, shown: Mapping[str, str]) -> str:
    for template, said in shown.items():
        text = text.replace(template, said)
    return text
