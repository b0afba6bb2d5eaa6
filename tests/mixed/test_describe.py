"""What a fit says of itself in words."""

from __future__ import annotations

import numpy as np

from qsmstats.mixed.model import MixedModel

from .reference_cases import case, data, fitted


def test_summary_shows_every_coefficient_and_variance() -> None:
    fit = fitted("orthodont_rs")
    text = fit.summary()
    for term in fit.fixed.names:
        line = next(line for line in text.splitlines() if line.startswith(f"{term} "))
        estimate = fit.coefficients().set_index("term").loc[term, "estimate"]
        assert f"{estimate:#.5g}" in line
    for part in ("Subject Intercept", "Subject Intercept age", "Residual", "REML", "108"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
    assert "Note" not in text


def test_summary_carries_what_went_wrong() -> None:
    frame = data("dyestuff2_singular")
    frame.loc[3, "Yield"] = np.nan
    fit = MixedModel("Yield ~ 1 + (1 | Batch)").fit(frame)
    text = fit.summary()
    assert "Singular:             YES" in text
    for message in fit.info.messages:
        assert f"Note: {message}" in text
    assert any("Yield 1" in message for message in fit.info.messages)


def test_methods_text_names_formula_estimator_df_n_and_version() -> None:
    text = fitted("lesion_b").methods_text()
    for part in (
        case("lesion_b")["formula"],
        "4,199 observations",
        "40 levels of patient",
        "1,786 levels of patient:lesion",
        "restricted maximum likelihood (REML)",
        "Satterthwaite",
        "qsmstats ",
    ):
        assert part in text
    assert "singular" not in text


def test_methods_text_names_the_residual_model_and_singularity() -> None:
    fit = MixedModel(case("orthodont_ri")["formula"]).fit(data("orthodont_ri"), weights="Sex")
    assert "residual variance was estimated for each Sex" in fit.methods_text()
    assert "maximum likelihood (ML)" in fitted("sleep_ri", "ml").methods_text()
    assert "The fit is singular" in fitted("dyestuff2_singular").methods_text()
