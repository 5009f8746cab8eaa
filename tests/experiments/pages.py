"""What every experiment's page must be."""

import re

from gradlab.report.article import Article, render_article


def check_page(module, result) -> Article:
    """Build and render the page of a result; run the code it shows. Returns the article."""
    article = module.article(result)
    assert article.question == module.QUESTION
    assert article.title == module.TITLE
    assert re.search(r"\d", article.answer), "the answer holds no number"
    assert article.answer.endswith((".", "!"))
    figures = [section for section in article.sections if section.figure is not None]
    assert figures
    for section in figures:
        assert len(section.alt) > 20
        for trace in section.figure.data:
            assert getattr(trace, "x", None) is None or len(trace.x) <= 1001, (
                f"{section.heading}: too many points"
            )
    html = render_article(article)
    assert len(html) < 2_500_000
    for section in article.sections:
        if section.code:
            exec(compile(section.code, f"<{article.name}: {section.heading}>", "exec"), {})
    return article
