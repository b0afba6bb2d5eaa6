r"""Generalised linear mixed models, in the order in which the data pass through.

.. math:: y_i \mid u \sim \mathrm{family}(\mu_i), \quad
   g(\mu_i) = x_i'\beta + o_i + \sum_k z_{ik}' u_k, \quad u_k \sim N(0, \Sigma_k)

==================  ===============================================================================
stage               what it computes
==================  ===============================================================================
``family``          log density of a row and its derivatives in the linear predictor
``specification``   what is asked for: formula, family, link, integration
``assembly``        the rows: outcome, offset, and the design of `qsmstats.mixed`
``separation``      fixed effects without a finite estimate; where to start
``parameters``      the free parameters :math:`(\beta, \theta, \log k)` and what each multiplies
``chain``           nested groupings, cut into blocks of rows
``quadrature``      the likelihood by adaptive Gauss-Hermite quadrature over nested levels
``laplace``         Laplace's approximation of it, for any design
``estimate``        the maximum, by the trust region of `qsmstats.mixed`
``fitted``          the record of a fit
``profile``         profile-likelihood intervals
``coefficients``    tests of coefficients and terms, likelihood ratios
``marginal``        marginal means, contrasts and slopes of a typical group
``prediction``      random effects, predictions, residuals, simulated outcomes
``population``      means over the population of groups
``variances``       variances, shares of variance, overdispersion
``describe``        a fit as a table for the screen
``fit``             `GeneralizedFit`: the record with the questions bound to it
``model``           `GeneralizedMixedModel`: from a formula and data to a fit
==================  ===============================================================================

A stage imports those above it in this table and none below. Formulas, designs, linear functions and
multiplicity are those of `qsmstats.mixed`.
"""
