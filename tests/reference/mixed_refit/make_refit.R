# Outcomes simulated from two models and the fits of lmer to each of them. Run from this folder.
# Every third outcome has missing rows; some fits are singular.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5),
                     calc.derivs = FALSE, check.conv.singular = "ignore")
polished <- function(formula, data, reml) {
  m <- lmerTest::lmer(formula, data, REML = reml, control = lmerControl(check.conv.singular = "ignore", calc.derivs = FALSE))
  for (i in 1:3) m <- lmerTest::lmer(formula, data, REML = reml, start = getME(m, "theta"), control = tight)
  list(criterion = as.numeric(-2 * logLik(m)), fixef = unname(fixef(m)),
       df = unname(coef(summary(m))[, "df"]), se = unname(coef(summary(m))[, "Std. Error"]),
       sigma = sigma(m), singular = isSingular(m, tol = 1e-4), n = nobs(m))
}
case <- function(file, formula, response, shrink, columns, seed) {
  data <- read.csv(file.path("../mixed/data", file), colClasses = columns)
  m <- lmerTest::lmer(formula, data)
  theta <- getME(m, "theta") * shrink
  y <- as.matrix(simulate(m, nsim = 6, seed = seed, newparams = list(theta = theta, beta = fixef(m), sigma = sigma(m))))
  y[seq(1, nrow(y), 7), 3] <- NA
  y[seq(2, nrow(y), 3), 6] <- NA
  y <- signif(y, 8)
  fits <- lapply(1:6, function(k) { data[[response]] <- y[, k]; polished(formula, data, k %% 2 == 1) })
  list(data = file, formula = paste(deparse(formula), collapse = " "), outcomes = unname(split(y, col(y))), fits = fits)
}
set.seed(1)
write(toJSON(list(
  software = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  lmerTest = as.character(packageVersion("lmerTest"))),
  cases = list(
    case("sleepstudy.csv", Reaction ~ Days + (1 + Days | Subject), "Reaction", c(.5, .3, .2), c(Subject = "character"), 11),
    case("pastes.csv", strength ~ 1 + (1 | batch) + (1 | batch:cask), "strength", c(.6, .4), NA, 5))
), auto_unbox = TRUE, digits = I(14), na = "null"), "refit.json")
