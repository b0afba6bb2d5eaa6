"""The sweeps of many outcomes at parameters of their own; see `criterion` for the formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.batch.products import OutcomeProducts
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.derivatives import Jet, constant
from qsmstats.mixed.criterion.nested import invert

__all__ = ["Swept", "sweep_together"]


# Cells up to which a loop over them beats many small matrix products.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Swept:
    """The sweeps at given T: jets with the outcome as last axis but for the columns.

    Attributes
    ----------
    inner
        m of every shape, shape (.., m, S * h), in the parameters of the finer factor.
    edges
        [E_g] and derivatives, shape (1 + first + second, m, G, q2, k).
    outer
        M of every group, shape (.., q2, q2, m, G), in all parameters.
    logdet
        l, shape (.., m).
    """

    inner: Jet
    edges: Floats
    outer: Jet
    logdet: Jet


def sweep_together(products: OutcomeProducts, t: Floats, bases: tuple[Floats, Floats]) -> Swept:
    """Sweep both factors at the elements t of T, shape (m, k)."""
    m, own = len(t), len(bases[0])
    q2 = products.top.shape[2]
    inner, logdet = _inner(products, t[:, :own], bases[0])
    edges = _edges(products, inner)
    size = products.top.shape[1]
    relative = np.repeat(t[:, own:].T, size, axis=1)
    square = np.moveaxis(edges[..., :q2], (-2, -1), (1, 2)).reshape(-1, q2, q2, m * size)
    d = Jet(value=square[0], first=square[1 : own + 1], second=square[own + 1 :])
    outer, each = invert(d, relative, bases[1])
    return Swept(
        inner=inner,
        edges=np.ascontiguousarray(edges[..., q2:]),
        outer=outer.map(lambda a: a.reshape(*a.shape[:-1], m, size)),
        logdet=logdet.plus(each.map(lambda a: a.reshape(*a.shape[:-1], m, size).sum(axis=-1))),
    )


def _inner(products: OutcomeProducts, t: Floats, basis: Floats) -> tuple[Jet, Jet]:
    """Sweep the finer factor: m of every shape, shape (.., m, S * h), and l, shape (.., m)."""
    m, shapes = len(t), len(products.shapes)
    if not shapes:
        return constant(np.zeros((m, 0))), constant(np.zeros(m))
    a = np.tile(np.moveaxis(products.shapes, 0, -1), m)
    found, each = invert(constant(a), np.repeat(t.T, shapes, axis=1), basis)
    rows, columns = lower_triangle(basis.shape[1])

    def arrange(values: Floats) -> Floats:
        pairs = values[..., rows, columns, :].reshape(*values.shape[:-3], len(rows), m, shapes)
        return np.moveaxis(pairs, -3, -1).reshape(*values.shape[:-3], m, shapes * len(rows))

    def count(values: Floats) -> Floats:
        split = values.reshape(*values.shape[:-1], m, shapes)
        return np.asarray((split * products.shape_counts).sum(axis=-1))

    return found.map(arrange), each.map(count)


def _edges(products: OutcomeProducts, inner: Jet) -> Floats:
    """[D_g E_g] with derivatives in the finer factor's parameters, one after the other."""
    m, size, cells = products.cells.shape[:3]
    if not cells:
        return products.top[None]
    jets = np.concatenate([inner.value[None], inner.first, inner.second])
    shapes, widest = len(products.shapes), products.cell_shape.shape[2]
    by_shape = jets.reshape(len(jets), m, shapes, -1)
    weight = by_shape[:, np.arange(m)[:, None, None], products.cell_shape]
    weight = weight.reshape(len(jets), m, size, widest * by_shape.shape[3])
    if cells <= _FEW:
        made = -weight[..., 0, None, None] * products.cells[:, :, 0]
        for cell in range(1, cells):
            made -= weight[..., cell, None, None] * products.cells[:, :, cell]
    else:
        flat = products.cells.reshape(m, size, cells, -1)
        product = np.moveaxis(weight, 0, 2) @ flat
        made = -np.moveaxis(product, 2, 0).reshape(len(jets), *products.top.shape)
    made[0] += products.top
    return made
