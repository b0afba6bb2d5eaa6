r"""Disability and NfL of a patient, who has n PRL and lesions of a mean MWF m at the first session.

.. math::

   \text{EDSS} &= d + b_1 (\min(n, n_{max}) - n_0) + b_2 (m - m_0) \\
   \log \text{NfL} &= a_0 + a (A - 45) + c_1 (\min(n, n_{max}) - n_0) + c_2 (m - m_0) + e

with d what does not depend on lesions (drawn with the person), A the age and e normal. EDSS is
rounded to half points from 0 to 8. Coefficients stand in `ClinicalParameters`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmstats.simulate.maps import AGE_REFERENCE
from qsmstats.simulate.parameters import ClinicalParameters

__all__ = ["draw_clinical"]

PRL = "paramagnetic_rim"


def draw_clinical(
    rng: np.random.Generator,
    parameters: ClinicalParameters,
    *,
    disability: float,
    age: float,
    types: Sequence[str],
    mwf: Sequence[float],
) -> tuple[float, float]:
    """Draw EDSS and NfL (pg/mL) of a patient.

    Parameters
    ----------
    rng
        Random numbers of this patient, apart from those of the images.
    parameters
        The truth.
    disability
        Part of EDSS that does not depend on lesions.
    age
        At the first session.
    types, mwf
        Of each lesion of the first session: type and true MWF in percent.
    """
    rims = min(sum(name == PRL for name in types), parameters.most_prl) - parameters.prl_reference
    myelin = float(np.mean(mwf)) - parameters.mwf_reference
    score = disability + parameters.edss_prl * rims + parameters.edss_mwf * myelin
    log_nfl = parameters.log_nfl_mean + parameters.log_nfl_age * (age - AGE_REFERENCE)
    log_nfl += parameters.log_nfl_prl * rims + parameters.log_nfl_mwf * myelin
    log_nfl += float(rng.normal(scale=parameters.log_nfl_sd))
    return min(max(round(2.0 * score) / 2.0, 0.0), 8.0), round(float(np.exp(log_nfl)), 1)
