# Quantities beyond ../mixed/*.json, from R: ranova (lmerTest), profile intervals (lme4), conditional
# variances of the random effects (lme4), predictions, and emmeans with by=, at=, proportional
# weights, other contrast families and nonlinear covariates.
# Run in this folder:  Rscript make_more.R   (reads ../mixed/data, writes *.json here)
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite); library(nlme)})
options(contrasts = c("contr.treatment", "contr.poly"))
emm_options(lmerTest.limit = 1e6, pbkrtest.limit = 1e5)
# The optimiser is run on until 1e-13, so that the references do not carry its own error.
ctl <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
  optCtrl = list(xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5))
bob <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
  optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5))
nlm <- lmerControl(optimizer = "nlminbwrap", calc.derivs = FALSE,
  optCtrl = list(rel.tol = 1e-15, x.tol = 1e-13, iter.max = 1000, eval.max = 5000))
read_case <- function(name) {
  case <- fromJSON(file.path("../mixed", paste0(name, ".json")), simplifyVector = FALSE)
  d <- read.csv(file.path("../mixed", case$csv), na.strings = character(), check.names = FALSE)
  for (v in names(case$factor_levels)) d[[v]] <- factor(as.character(d[[v]]), levels = unlist(case$factor_levels[[v]]))
  list(formula = as.formula(case$formula, env = globalenv()), data = d)
}
criterion <- function(m) if (isREML(m)) REMLcrit(m) else deviance(m)
# lmerTest evaluates the call again in the global environment, so what it names must stand there.
polish <- function(f, data, REML = TRUE) {
  quiet <- function(e) suppressWarnings(suppressMessages(e))
  d <<- data; reml <<- REML; formula_ <<- f
  best <- quiet(lmerTest::lmer(formula_, d, REML = reml))
  for (k in 1:4) for (co in list(ctl, nlm, bob)) {
    start_ <<- getME(best, "theta"); control_ <<- co
    m <- quiet(lmerTest::lmer(formula_, d, REML = reml, start = start_, control = control_))
    if (criterion(m) < criterion(best)) best <- m
  }
  best@call$formula <- f; best@call$control <- quote(ctl)
  best@call$start <- NULL; best@call$REML <- REML
  best
}
frame <- function(x) { x <- as.data.frame(x); x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x }
named <- function(x) cbind(row = rownames(as.data.frame(x)), frame(x))
put <- function(object, file) write(toJSON(object, auto_unbox = TRUE, digits = I(14), null = "null",
  na = "null", dataframe = "columns", pretty = FALSE, force = TRUE), paste0(file, ".json"))
versions <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
  lmerTest = as.character(packageVersion("lmerTest")), emmeans = as.character(packageVersion("emmeans")),
  nlme = as.character(packageVersion("nlme")))

# ---- tests of random terms --------------------------------------------------------------------
tests <- list()
for (nm in c("dyestuff_ri", "sleep_rs", "sleep_rs_uncorr", "pastes_nested", "penicillin_crossed",
             "machines_ri_nested", "oats_splitplot", "orthodont_rs", "lesion_b")) {
  case <- read_case(nm); d <- case$data; assign("d", d, globalenv())
  m <- polish(case$formula, d); tests[[nm]] <- list(drop = named(ranova(m, reduce.terms = FALSE)), reduce = named(ranova(m)))
}
put(list(software = versions, cases = tests), "random_term_tests")

# ---- profile-likelihood intervals (lme4 profiles the ML criterion) ----------------------------
profiles <- list()
for (nm in c("dyestuff_ri", "sleep_ri", "sleep_rs", "sleep_rs_uncorr", "pastes_nested", "penicillin_crossed", "orthodont_ri")) {
  case <- read_case(nm); d <- case$data; assign("d", d, globalenv())
  m <- polish(case$formula, d, REML = FALSE)
  ci <- suppressWarnings(confint(m, method = "profile", oldNames = FALSE, quiet = TRUE, parm = "theta_"))
  profiles[[nm]] <- data.frame(row = rownames(ci), low = ci[, 1], high = ci[, 2])
}
put(list(software = versions, note = "standard deviations and correlations, ML", cases = profiles), "profile_intervals")

# ---- Wald intervals on the log and Fisher-z scales, from lme4's own deviance ---------------------
# nlme's intervals() means the same but differentiates with long steps; its third digit is off.
sl <- read_case("sleep_rs"); m <- polish(sl$formula, sl$data, FALSE)
dev <- lme4::lmer(sl$formula, sl$data, REML = FALSE, devFunOnly = TRUE)
full <- function(p) {
  s <- exp(p[1:2]); r <- tanh(p[3]); sigma <- exp(p[4]); n <- nrow(sl$data)
  profiled <- dev(c(s[1], r * s[2], sqrt(1 - r^2) * s[2]) / sigma)
  rss <- environment(dev)$resp$wrss() + environment(dev)$pp$sqrL(1)
  profiled - n * (1 + log(2 * pi * rss / n)) + n * log(2 * pi * sigma^2) + rss / sigma^2
}
vc <- VarCorr(m)$Subject
best <- c(log(attr(vc, "stddev")), atanh(attr(vc, "correlation")[1, 2]), log(sigma(m)))
se <- sqrt(diag(2 * solve(numDeriv::hessian(full, best))))
ends <- sapply(qnorm(c(0.025, 0.975)), function(z) best + z * se)
wald <- data.frame(row = c("sd_(Intercept)", "sd_Days", "cor", "sigma"),
  low = c(exp(ends[1:2, 1]), tanh(ends[3, 1]), exp(ends[4, 1])),
  high = c(exp(ends[1:2, 2]), tanh(ends[3, 2]), exp(ends[4, 2])))
put(list(software = versions, cases = list(sleep_rs = wald)), "wald_intervals")

# ---- random effects with conditional standard deviations --------------------------------------
effects <- list()
for (nm in c("sleep_rs", "sleep_rs_unbal", "penicillin_crossed", "pastes_nested", "oats_splitplot", "machines_vector", "orthodont_rs", "pixel_singular_rs", "sleep_rs_uncorr")) {
  case <- read_case(nm); d <- case$data; assign("d", d, globalenv())
  m <- polish(case$formula, d)
  effects[[nm]] <- list(ranef = frame(as.data.frame(ranef(m, condVar = TRUE))),
    fitted = as.numeric(fitted(m)), population = as.numeric(predict(m, re.form = NA)),
    pearson = as.numeric(residuals(m, type = "pearson")), response = as.numeric(residuals(m)))
}
put(list(software = versions, cases = effects), "random_effects")

# ---- marginal means, contrasts, slopes beyond the defaults ------------------------------------
both <- function(m, f) { out <- list(); for (df in c("satterthwaite", "kenward-roger")) out[[df]] <- f(m, df); out }
grid <- list()
oats <- read_case("oats_splitplot"); d <- oats$data; m <- polish(oats$formula, d)
grid$oats_by <- list(case = "oats_splitplot", formula = NULL, results = both(m, function(m, k) { e <- emmeans(m, ~ nitro | Variety, lmer.df = k); list(
  means = frame(e), tukey = frame(summary(pairs(e), by = "Variety", infer = TRUE)), holm = frame(summary(pairs(e, adjust = "holm"))),
  consecutive = frame(contrast(e, "consec", adjust = "none")), reference = frame(contrast(e, "trt.vs.ctrl1", adjust = "bonferroni"))) }))
ml <- read_case("machines_ri_nested"); d <- ml$data[-c(2, 3, 6, 8, 9, 12, 19, 20, 27, 33), ]; m <- polish(ml$formula, d)
grid$machines_unbal <- list(criterion = REMLcrit(m), case = "machines_ri_nested", drop = c(2, 3, 6, 8, 9, 12, 19, 20, 27, 33), results = both(m, function(m, k) { e <- emmeans(m, ~ Machine, lmer.df = k); list(
  means = frame(e), tukey = frame(summary(pairs(e), infer = TRUE)), bonferroni = frame(summary(pairs(e, adjust = "bonferroni"), infer = TRUE))) }))
la <- read_case("lesion_a"); d <- la$data; m <- polish(la$formula, d)
grid$lesion_a_proportional <- list(case = "lesion_a", results = both(m, function(m, k) list(
  equal = frame(emmeans(m, ~ type, lmer.df = k)), proportional = frame(emmeans(m, ~ type, weights = "proportional", lmer.df = k)),
  at = frame(emmeans(m, ~ type, at = list(age = 30, sex = "F"), lmer.df = k)), two = frame(emmeans(m, ~ type + sex, lmer.df = k)),
  level90 = frame(summary(emmeans(m, ~ sex, lmer.df = k), level = 0.9)))))
or <- read_case("orthodont_rs"); d <- or$data
f <- distance ~ Sex * poly(age, 2) + (1 + age | Subject); m <- polish(f, d)
# delta.var is made small: emtrends takes a forward difference, which is exact for straight lines only.
grid$orthodont_poly <- list(case = "orthodont_rs", formula = deparse(f), results = both(m, function(m, k) { tr <- function(...) emtrends(m, var = "age", delta.var = 1e-5, lmer.df = k, ...); list(
  means_at = frame(emmeans(m, ~ Sex | age, at = list(age = c(8, 13)), lmer.df = k)), slopes = frame(tr(~ Sex)),
  slopes_at = frame(tr(~ Sex | age, at = list(age = c(9, 12)))), pairs = frame(pairs(tr(~ Sex)))) }))
f <- distance ~ Sex + age + I(age^2) + log(age) + (1 | Subject); m <- polish(f, d)
grid$orthodont_square <- list(case = "orthodont_rs", formula = "distance ~ Sex + age + I(age**2) + log(age) + (1 | Subject)", results = both(m, function(m, k) list(
  means = frame(emmeans(m, ~ Sex, lmer.df = k)), slopes = frame(emtrends(m, ~ 1, var = "age", delta.var = 1e-5, lmer.df = k)))))
# A cell without rows: its mean cannot be estimated.
d <- oats$data; d <- d[!(d$Variety == "Victory" & d$nitro == "0.6"), ]; m <- suppressMessages(polish(oats$formula, d))
grid$oats_empty_cell <- list(case = "oats_splitplot", note = "rows with Variety Victory and nitro 0.6 removed", results = both(m, function(m, k) list(
  cells = frame(emmeans(m, ~ nitro * Variety, lmer.df = k)), means = frame(emmeans(m, ~ Variety, lmer.df = k)),
  pairs = frame(summary(pairs(emmeans(m, ~ nitro | Variety, lmer.df = k), adjust = "none"), infer = TRUE)))))
put(list(software = versions, cases = grid), "marginal")

# ---- likelihood-ratio tests -------------------------------------------------------------------
lrt <- list()
s <- read_case("sleep_rs"); d <- s$data
a <- polish(Reaction ~ 1 + (1 + Days | Subject), d, FALSE); b <- polish(Reaction ~ Days + (1 + Days | Subject), d, FALSE)
lrt$fixed <- named(anova(a, b))
o <- read_case("orthodont_ri"); d <- o$data
g1 <- nlme::lme(distance ~ age * Sex, random = ~ 1 | Subject, data = d, control = lmeControl(msTol = 1e-12, tolerance = 1e-12, returnObject = TRUE))
g2 <- update(g1, weights = varIdent(form = ~ 1 | Sex))
lrt$heterogeneous <- list(loglik0 = as.numeric(logLik(g1)), loglik1 = as.numeric(logLik(g2)), ratio = anova(g1, g2)$L.Ratio[2], p_value = anova(g1, g2)$`p-value`[2],
  sigma = g2$sigma, ratios = as.list(coef(g2$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)))
put(list(software = versions, cases = lrt), "likelihood_ratio")
