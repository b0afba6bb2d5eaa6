"""The message for an option with a value out of its list."""

import numpy as np
import pytest

from qsmstats.errors import UsageError
from qsmstats.mixed.options import check_option


@pytest.mark.parametrize(
    ("value", "allowed", "message"),
    [
        ("mle", ("reml", "ml"), 'method must be "reml" or "ml", not \'mle\''),
        (4, (1, 2, 3), "method must be 1, 2 or 3, not 4"),
        ("x", ("a", None), "method must be \"a\" or None, not 'x'"),
        ("x", ("a",), "method must be \"a\", not 'x'"),
        (["reml"], ("reml", "ml"), 'method must be "reml" or "ml", not [\'reml\']'),
        (np.zeros(2), ("a",), 'method must be "a", not array([0., 0.])'),
    ],
)
def test_the_message_names_the_option_the_choice_and_the_value(value, allowed, message):
    with pytest.raises(UsageError) as raised:
        check_option("method", value, allowed)
    assert str(raised.value) == message


def test_what_is_allowed_passes():
    check_option("type", np.int64(3), (1, 2, 3))
    check_option("method", np.str_("ml"), ("reml", "ml"))
    check_option("interval", None, ("delta", None))
