"""Cross-products of groups, many made together: those of their own rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.mixed.batch.blocks import blocks_of
from qsmstats.mixed.batch.design import blocks_seen
from qsmstats.mixed.model import MixedModel
from tests.mixed.designs import FORMULAS, random_data


@pytest.fixture(params=[(FORMULAS[1], "r"), (FORMULAS[5], "w"), (FORMULAS[5], "k")])
def design(request):
    formula, weights = request.param
    data = random_data(4, rows=120)
    # A residual variance may not differ within groups of the finer factor.
    data["k"] = np.where((data["g"] + data["h"]) % 2 == 0, "even", "odd")
    return MixedModel(formula).design(data, weights=weights)


def test_blocks_hold_the_products_of_their_own_rows(design):
    rows = design.grouped.rows
    rng = np.random.default_rng(0)
    groups = [
        np.arange(start, end) for start, end in zip(rows.starts, rows.starts[1:], strict=False)
    ]
    # Two patterns of the same group beside one another, a group without rows, the last row alone.
    wanted = [
        groups[0],
        groups[0][1:],
        groups[1][:0],
        *(g[rng.random(len(g)) < 0.6] for g in groups),
    ]
    wanted.append(groups[-1][-1:])
    for block, own in zip(blocks_of(rows, wanted), wanted, strict=True):
        assert sorted(block.rows) == own.tolist()
        for stratum, part in enumerate(block.parts):
            outer = rows.outer[own[rows.stratum[own] == stratum]]
            np.testing.assert_allclose(block.whole[stratum], outer.T @ outer, atol=1e-12)
            assert (rows.stratum[block.rows[part]] == stratum).all()
        if rows.subgroups is None:
            continue
        subgroups = [own[rows.subgroups[own] == one] for one in np.unique(rows.subgroups[own])]
        assert block.counts.sum() == len(subgroups)
        # Off-diagonal pairs of inner columns count twice, here as both of their orders.
        side = [rows.inner[s].sum(axis=1) @ rows.outer[s] for s in subgroups]
        expected = np.einsum("ji,jk->ik", side, side) if side else 0.0
        np.testing.assert_allclose(block.cells.sum(axis=(0, 1)), expected, atol=1e-10)
        shapes = sum(rows.inner[s].T @ rows.inner[s] for s in subgroups)
        found = np.einsum("k,ks->s", block.counts, block.shapes).reshape(2, 2)
        np.testing.assert_allclose(found, shapes, atol=1e-9)


def test_no_block_is_made_twice_however_many_outcomes_come(design):
    seen = np.ones((3, design.n_obs), dtype=bool)
    seen[1, 0] = seen[2, :2] = False
    first, index = blocks_seen(design.grouped, seen)
    again, same = blocks_seen(design.grouped, seen)
    np.testing.assert_array_equal(index, same)
    assert all(a is b for a, b in zip(first.blocks, again.blocks, strict=True))
    whole = design.grouped.stack.whole
    np.testing.assert_array_equal(first.whole[index[0]], whole)
