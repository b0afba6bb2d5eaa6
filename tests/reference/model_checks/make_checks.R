# Model checks of one cross-sectional model (nlme, lmerTest). Run from this folder.
suppressPackageStartupMessages({library(lmerTest); library(nlme); library(jsonlite)})
d <- read.csv("../mixed_answers/lesion_small.csv", stringsAsFactors = TRUE)
# Types differ between patients; the effects are made up.
d$mwf <- d$mwf + sin(7 * (5 * as.integer(d$patient) + as.integer(d$type)))
# Levels with fewer than five rows share the residual variance of the most frequent one.
counts <- table(d$type)
d$strata <- as.character(d$type)
d$strata[d$type %in% names(counts)[counts < 5]] <- names(which.max(counts))
control <- lmeControl(msTol = 1e-13, tolerance = 1e-11, msMaxIter = 1000, maxIter = 500, opt = "optim", niterEM = 0)
form <- mwf ~ type + age + sex + log(volume)
equal <- lme(form, random = ~ 1 | patient, data = d, control = control)
strata <- lme(form, random = ~ 1 | patient, data = d, weights = varIdent(form = ~ 1 | strata), control = control)
ratio <- anova(equal, strata)
sds <- strata$sigma * coef(strata$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5), calc.derivs = FALSE)
polished <- function(f, data) {
  m <- lmerTest::lmer(f, data)
  for (i in 1:3) m <- lmerTest::lmer(f, data, start = getME(m, "theta"), control = tight)
  m
}
base <- polished(update(form, . ~ . + (1 | patient)), d)
pair <- polished(update(form, . ~ . + (1 | patient) + (1 | patient:type)), d)
d$square <- scale(predict(base, re.form = NA))[, 1]^2
curve <- coef(summary(polished(update(form, . ~ . + square + (1 | patient)), d)))["square", ]
again <- lme4::lmer(mwf ~ type + age + sex + log(volume) + (1 | patient), d, start = getME(base, "theta"), control = tight)
left <- influence(again, "patient")
cook <- as.vector(cooks.distance(left))
most <- rownames(left[["fixed.effects[-patient]"]])[which.max(cook)]
rest <- fixef(polished(update(form, . ~ . + (1 | patient)), subset(d, patient != most)))
write(toJSON(list(
  software = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  lmerTest = as.character(packageVersion("lmerTest")), nlme = as.character(packageVersion("nlme"))),
  residual_variance = list(statistic = ratio$L.Ratio[2], df = ratio$df[2] - ratio$df[1], p_value = ratio$`p-value`[2],
                           sd = as.list(sds)),
  pair = list(statistic = as.numeric(2 * (logLik(pair) - logLik(base)))),
  linearity = list(statistic = curve[["t value"]], df = curve[["df"]], p_value = curve[["Pr(>|t|)"]]),
  influence = list(participant = most, without = as.list(rest))
), auto_unbox = TRUE, digits = 12, pretty = TRUE), "checks.json")
