"""Contrasts as text."""

from __future__ import annotations

import pytest

from qsmstats.errors import UsageError
from qsmstats.voxelwise.contrast_text import contrast_in_words


@pytest.mark.parametrize(
    ("text", "label", "weights"),
    [
        ("years", "years", {"years": 1.0}),
        ("late = years + 0.5 * b[T.c]:years", "late", {"years": 1.0, "b[T.c]:years": 0.5}),
        ("- years", "- years", {"years": -1.0}),
        ("a - 2 * b", "a - 2 * b", {"a": 1.0, "b": -2.0}),
    ],
)
def test_contrasts_are_read(text, label, weights):
    assert contrast_in_words(text) == (label, weights)


@pytest.mark.parametrize("text", ["", "x = ", "two * years", "years + years"])
def test_a_contrast_that_cannot_be_read_is_refused(text):
    with pytest.raises(UsageError, match="cannot be read"):
        contrast_in_words(text)
