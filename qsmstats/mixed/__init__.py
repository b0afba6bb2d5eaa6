r"""Linear mixed models, in the order in which the data pass through.

.. math:: y = X\beta + \sum_k Z_k u_k + e, \quad u_k \sim N(0, \sigma^2 T_k), \quad
   e_i \sim N(0, \sigma^2 / w_i)

=================  ================================================================================
stage              what it computes
=================  ================================================================================
``formula``        the text of a formula, taken apart into its fixed part and its random terms
``design``         rows used, groups, :math:`X` and :math:`Z_k`; what the rows can identify
``criterion``      :math:`F(T) = U'(I + ZTZ')^{-1}U` with :math:`U = [X\,|\,y]`,
                   :math:`\ell(T) = \log\det(I + ZTZ')`, and the profiled criterion
                   :math:`\ell + \log\det F_{XX} + \nu (1 + \log(2\pi r^2 / \nu))`, with first and
                   second derivatives; nested and crossed designs
``optimum``        starting values, trust region, singular optima: :math:`\hat\theta`
``fitted``         the record of a fit; fitting again
``inference``      standard errors and degrees of freedom of :math:`L\hat\beta` (Satterthwaite,
                   Kenward and Roger), tests of terms, marginal means, contrasts and slopes,
                   multiplicity, variance components and their intervals, likelihood ratios
``prediction``     conditional modes of :math:`u`, predictions, residuals, influence of groups
``batch``          the same criterion for many outcomes of the same rows at once
``resampling``     outcomes simulated from a fit, refits, bootstrap
``describe``       a fit in words
``fit``            `MixedFit`: the record with the questions bound to it
``model``          `MixedModel`: from a formula and data to a fit
``fit_many``       one model for many columns
=================  ================================================================================

A stage imports those above it in this table and none below: records stand first, what one can ask
of them later.
"""
