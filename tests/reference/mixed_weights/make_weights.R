# Prior weights (lme4) and residual variances by level (nlme). Run from this folder.
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest); library(nlme); library(jsonlite)})
sleep <- read.csv("../mixed/data/sleepstudy.csv", colClasses = c(Subject = "character"))
sleep$w <- 1 + ((seq_len(nrow(sleep)) - 1) %% 4) / 2
sleep$half <- ifelse(sleep$Days > 4, "late", "early")
ortho <- read.csv("../mixed/data/orthodont.csv", colClasses = c(Subject = "character"))
ortho$Sex <- factor(ortho$Sex, levels = c("Male", "Female"))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5), calc.derivs = FALSE)
weighted <- function(reml) {
  m <- lmerTest::lmer(Reaction ~ Days + (1 + Days | Subject), sleep, weights = w, REML = reml)
  for (i in 1:3) m <- lmerTest::lmer(Reaction ~ Days + (1 + Days | Subject), sleep, weights = w, REML = reml,
                          start = getME(m, "theta"), control = tight)
  out <- list(criterion = as.numeric(-2 * logLik(m)), fixef = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))),
              sigma = sigma(m), theta = unname(getME(m, "theta")))
  if (reml) out$satterthwaite_df <- unname(coef(summary(m))[, "df"])
  out
}
control <- lmeControl(msTol = 1e-13, tolerance = 1e-11, msMaxIter = 1000, maxIter = 500, opt = "optim", niterEM = 0)
varident <- function(fixed, random, data, form, reml) {
  m <- lme(fixed, random = random, data = data, weights = varIdent(form = form),
           method = if (reml) "REML" else "ML", control = control)
  list(criterion = as.numeric(-2 * logLik(m)), fixef = unname(fixef(m)), se = unname(sqrt(diag(m$varFix))),
       sigma = m$sigma, ratio = unname(coef(m$modelStruct$varStruct, unconstrained = FALSE)))
}
both <- function(f) list(reml = f(TRUE), ml = f(FALSE))
write(toJSON(list(
  software = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")), nlme = as.character(packageVersion("nlme"))),
  sleep_weights = both(weighted),
  sleep_halves = both(function(r) varident(Reaction ~ Days, ~ 1 + Days | Subject, sleep, ~ 1 | half, r)),
  orthodont_sex = both(function(r) varident(distance ~ age * Sex, ~ 1 | Subject, ortho, ~ 1 | Sex, r))
), auto_unbox = TRUE, digits = I(14), pretty = TRUE), "weights.json")
