"""One model fitted to many outcomes of the same rows at once.

From rows to fits: `design` (the rows, before there is an outcome) in `blocks` of independent
groups, the `products` of these with the outcomes, the `criterion` of all at once, its `optimum`,
and `outcomes`, which passes them through and leaves to single fits what does not go together;
`result` is what comes out. Outcomes without holes under one grouping factor take a shorter way:
`shared_rows` in place of `products`, `single_factor` in place of `criterion`, and `boundary_scan`
in place of random starts.
"""
