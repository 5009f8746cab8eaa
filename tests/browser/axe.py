"""Accessibility rules (axe-core), run in an open page."""

from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


def serious_violations(page: Page) -> list[str]:
    """Return one line for each element that breaks a rule of serious or critical impact.

    Empty when all is well.

    Elements that are hidden now are not judged: open what folds before the call.
    """
    if not SOURCE.is_file():
        raise FileNotFoundError(
            f"{SOURCE} is missing: run `npm ci --prefix tests/browser` from the repository root."
        )
    page.evaluate(
        SOURCE.read_text(encoding="utf-8")
    )  # unlike a script tag, this passes the page's security policy
    violations = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
    )
    return [
        f"{rule['id']} ({rule['impact']}) at {' '.join(map(str, node['target']))}: {_reason(node)}"
        for rule in violations
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def _reason(node: dict) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
