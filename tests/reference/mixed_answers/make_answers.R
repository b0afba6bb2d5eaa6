# What is asked of a fitted linear mixed model beyond ../mixed and ../mixed_more: information criteria,
# joint tests, interaction contrasts, equivalence, weights of marginal means, adjustments, prediction
# intervals, cluster-robust standard errors, pooled imputations, offsets, deletion of groups.
# Run in this folder: Rscript make_answers.R  (reads ../mixed/data; writes answers.json, lesion_small.csv)
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite)
  library(clubSandwich); library(mice)})
options(contrasts = c("contr.treatment", "contr.poly"))
emm_options(lmerTest.limit = 1e6, pbkrtest.limit = 1e5)
quiet <- function(e) suppressWarnings(suppressMessages(e))
frame <- function(x) { x <- data.frame(x, check.names = FALSE, row.names = NULL); x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x }
named <- function(x) { x <- data.frame(x, check.names = FALSE); cbind(row = rownames(x), frame(x)) }
# The optimum is polished, so that the references do not carry the optimiser's own error.
tight <- list(
  lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, optCtrl = list(xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5)),
  lmerControl(optimizer = "nlminbwrap", calc.derivs = FALSE, optCtrl = list(rel.tol = 1e-15, x.tol = 1e-13, iter.max = 1000, eval.max = 5000)),
  lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5)))
criterion <- function(m) if (isREML(m)) REMLcrit(m) else deviance(m)
polish <- function(f, data, REML = TRUE) {
  d <<- data; reml <<- REML; formula_ <<- as.formula(f, env = globalenv())
  best <- quiet(lmerTest::lmer(formula_, d, REML = reml))
  for (k in 1:3) for (co in tight) {
    start_ <<- getME(best, "theta"); control_ <<- co
    m <- quiet(lmerTest::lmer(formula_, d, REML = reml, start = start_, control = control_))
    if (criterion(m) < criterion(best)) best <- m
  }
  # emmeans and clubSandwich evaluate the call again: it must name what is in the global environment.
  best@call$formula <- formula_; best@call$control <- quote(tight[[1]]); best@call$start <- NULL; best@call$REML <- REML
  best
}
read_data <- function(file, levels) { d <- read.csv(file, na.strings = character())
  for (v in names(levels)) d[[v]] <- factor(as.character(d[[v]]), levels = levels[[v]]); d }
own <- function(x) sort(unique(as.character(x)))

# ---- data: of ../mixed, and a small unbalanced cohort of five types ------------------------------
types <- c("t2", "blackhole", "cortical", "prl", "slowexp")
large <- read.csv("../mixed/data/lesion_a.csv")
set.seed(3)
few <- large[large$patient %in% own(large$patient)[seq(1, 115, by = 9)], ]
few <- few[order(few$patient, runif(nrow(few))), ]
few <- few[ave(seq_len(nrow(few)), few$patient, FUN = seq_along) <= 4 + as.integer(factor(few$patient)) * 2, ]
few$mwf <- round(100 * few$mwf, 4); few$volume <- round(exp(few$logvol), 2)
few$center <- c("north", "south", "west")[1 + (as.integer(factor(few$patient)) * 7) %% 3]
write.csv(few[c("patient", "center", "sex", "age", "type", "volume", "mwf")], "lesion_small.csv", row.names = FALSE, quote = FALSE)
files <- list(lesion_small = "lesion_small.csv", oats = "../mixed/data/oats.csv", cake = "../mixed/data/cake.csv",
  orthodont = "../mixed/data/orthodont.csv", sleep = "../mixed/data/sleepstudy.csv", machines = "../mixed/data/machines.csv")
levels_of <- list(lesion_small = list(type = types, sex = c("F", "M"), center = c("north", "south", "west")),
  oats = list(Variety = c("Golden Rain", "Marvellous", "Victory"), nitro = c("0", "0.2", "0.4", "0.6")),
  cake = list(recipe = c("A", "B", "C"), temperature = c("175", "185", "195", "205", "215", "225")),
  orthodont = list(Sex = c("Male", "Female")), sleep = list(), machines = list(Machine = c("A", "B", "C")))
groups <- c(lesion_small = "patient", oats = "Block", cake = "replicate", orthodont = "Subject", sleep = "Subject", machines = "Worker")
D <- lapply(names(files), function(nm) { d <- read_data(files[[nm]], levels_of[[nm]]); d[[groups[[nm]]]] <- factor(as.character(d[[groups[[nm]]]])); d })
names(D) <- names(files)
unbalanced <- list(oats = c(1, 2, 3, 5, 8, 13, 21, 34, 55))             # rows left out, counted from 1
D$oats_unbalanced <- D$oats[-unbalanced$oats, ]
D$sleep$load <- (seq_len(nrow(D$sleep)) %% 5) * 10                       # a made offset
F_ <- list(lesion_small = "mwf ~ type * sex + center + age + (1 | patient)", lesion_plain = "mwf ~ type + sex + center + age + (1 | patient)",
  oats = "yield ~ Variety * nitro + (1 | Block) + (1 | Block:Variety)", cake = "angle ~ recipe * temperature + (1 | recipe:replicate)",
  orthodont = "distance ~ age * Sex + (1 + age | Subject)", sleep = "Reaction ~ Days + (1 + Days | Subject)",
  sleep_ri = "Reaction ~ Days + (1 | Subject)", machines = "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)")
data_of <- c(lesion_small = "lesion_small", lesion_plain = "lesion_small", oats = "oats_unbalanced", cake = "cake",
  orthodont = "orthodont", sleep = "sleep", sleep_ri = "sleep", machines = "machines")
fits <- list(); for (nm in names(F_)) fits[[nm]] <- list(reml = polish(F_[[nm]], D[[data_of[[nm]]]]), ml = polish(F_[[nm]], D[[data_of[[nm]]]], FALSE))
use <- function(nm) { d <<- D[[data_of[[nm]]]]; fits[[nm]]$reml }         # d: what the fit's call names
both <- function(nm, f) { m <- use(nm); sapply(c("satterthwaite", "kenward-roger"), function(k) f(m, k), simplify = FALSE) }
A <- list()

# ---- information criteria ------------------------------------------------------------------------
# AICc: Hurvich & Tsai 1989, Biometrika 76, 297-307, with all parameters and rows, as MuMIn has it.
A$information <- lapply(fits, function(f) lapply(f, function(m) { l <- logLik(m); k <- attr(l, "df"); n <- nobs(m)
  list(log_likelihood = as.numeric(l), parameters = k, rows = n, aic = AIC(m), bic = BIC(m), aicc = AIC(m) + 2 * k * (k + 1) / (n - k - 1)) }))

# ---- joint tests and interaction contrasts -----------------------------------------------------
# emmeans rounds F to three and df to two digits, and takes the smallest df of the rotated rows;
# `contest` is lmerTest's test of the same rows: Satterthwaite's combined df, Kenward and Roger's F.
within <- function(m, k, factor, by) { e <- emmeans(m, as.formula(paste("~", factor, "|", by)), lmer.df = k)
  rows <- contrast(e, "trt.vs.ctrl1", adjust = "none"); group <- as.character(rows@grid[[by]]); L <- rows@linfct
  tests <- lapply(unique(group), function(g) contest(m, L[group == g, , drop = FALSE], joint = TRUE,
    ddf = if (k == "satterthwaite") "Satterthwaite" else "Kenward-Roger"))
  cbind(group = unique(group), frame(do.call(rbind, lapply(tests, function(x) data.frame(x, check.names = FALSE))))) }
joint <- function(nm, factors) both(nm, function(m, k) { out <- list(overall = frame(joint_tests(m, lmer.df = k)))
  for (i in 1:2) { out[[paste0("within_", factors[i])]] <- frame(joint_tests(m, by = factors[i], lmer.df = k))
    out[[paste0("contest_within_", factors[i])]] <- within(m, k, factors[3 - i], factors[i]) }
  out })
A$joint_tests <- list(lesion_small = joint("lesion_small", c("sex", "type")), oats = joint("oats", c("Variety", "nitro")),
  cake = joint("cake", c("recipe", "temperature")))
A$interaction_contrasts <- list(
  oats = both("oats", function(m, k) { e <- emmeans(m, ~ Variety * nitro, lmer.df = k)
    list(pairwise_consec = frame(summary(contrast(e, interaction = c("pairwise", "consec")), infer = TRUE)),
      pairwise = frame(summary(contrast(e, interaction = "pairwise"), infer = TRUE)),
      reference = frame(summary(contrast(e, interaction = c("trt.vs.ctrl1", "poly")), infer = TRUE)),
      joint = frame(test(contrast(e, interaction = "pairwise"), joint = TRUE)),
      within = frame(summary(contrast(emmeans(m, ~ Variety | nitro, lmer.df = k), "pairwise", adjust = "none"), infer = TRUE))) }),
  lesion_small = both("lesion_small", function(m, k) { e <- emmeans(m, ~ type * sex, lmer.df = k)
    list(pairwise = frame(summary(contrast(e, interaction = "pairwise"), infer = TRUE)),
      of_differences = frame(summary(pairs(pairs(emmeans(m, ~ sex | type, lmer.df = k)), by = NULL, adjust = "none"), infer = TRUE))) }))

# ---- equivalence, non-inferiority, a null other than zero ----------------------------------------
sides <- function(e, delta, null = 0) list(delta = delta, null = null,
  equivalence = frame(test(e, delta = delta, side = "equivalence", null = null, adjust = "none")),
  noninferiority = frame(test(e, delta = delta, side = "noninferiority", null = null, adjust = "none")),
  nonsuperiority = frame(test(e, delta = delta, side = "nonsuperiority", null = null, adjust = "none")),
  superiority = frame(test(e, side = ">", null = null, adjust = "none")), two_sided = frame(test(e, null = null, adjust = "none")),
  interval_90 = frame(confint(e, level = 0.9, adjust = "none")))
A$equivalence <- list(
  lesion_plain_pairs = both("lesion_plain", function(m, k) sides(pairs(emmeans(m, ~ type, lmer.df = k), reverse = TRUE), 1)),
  lesion_plain_pairs_null = both("lesion_plain", function(m, k) sides(pairs(emmeans(m, ~ type, lmer.df = k), reverse = TRUE), 0.8, null = 0.5)),
  lesion_plain_pairs_sidak = both("lesion_plain", function(m, k) { e <- pairs(emmeans(m, ~ type, lmer.df = k), reverse = TRUE)
    list(delta = 1, equivalence = frame(test(e, delta = 1, side = "equivalence", adjust = "sidak")), holm = frame(test(e, delta = 1, side = "equivalence", adjust = "holm"))) }),
  lesion_plain_means = both("lesion_plain", function(m, k) sides(emmeans(m, ~ type, lmer.df = k), 1, null = 8)),
  orthodont_slopes = both("orthodont", function(m, k) sides(emtrends(m, ~ Sex, var = "age", lmer.df = k), 0.25, null = 0.6)),
  orthodont_slope_pairs = both("orthodont", function(m, k) sides(pairs(emtrends(m, ~ Sex, var = "age", lmer.df = k), reverse = TRUE), 0.5)))

# ---- weights of marginal means -------------------------------------------------------------------
A$weights <- list(lesion_plain = both("lesion_plain", function(m, k) sapply(c("equal", "proportional", "outer", "cells"), function(w)
    list(means = frame(emmeans(m, ~ type, weights = w, lmer.df = k)), by_sex = frame(emmeans(m, ~ type | sex, weights = w, lmer.df = k)),
      pairs = frame(summary(pairs(emmeans(m, ~ type, weights = w, lmer.df = k), adjust = "none", reverse = TRUE), infer = TRUE))), simplify = FALSE)),
  lesion_small = both("lesion_small", function(m, k) sapply(c("equal", "proportional", "outer", "cells"), function(w)
    list(means = frame(emmeans(m, ~ type, weights = w, lmer.df = k)),
      pairs = frame(summary(pairs(emmeans(m, ~ type, weights = w, lmer.df = k), adjust = "none", reverse = TRUE), infer = TRUE))), simplify = FALSE)))

# ---- adjustments ---------------------------------------------------------------------------------
adjusted <- function(e, methods) sapply(methods, function(a) { set.seed(1); frame(summary(e, adjust = a, infer = TRUE)) }, simplify = FALSE)
A$adjustments <- list(
  lesion_plain = both("lesion_plain", function(m, k) { e <- emmeans(m, ~ type, lmer.df = k)
    list(reference = adjusted(contrast(e, "trt.vs.ctrl1"), c("dunnettx", "mvt", "sidak", "bonferroni", "scheffe", "none")),
      pairs = adjusted(pairs(e, reverse = TRUE), c("tukey", "mvt", "sidak", "bonferroni", "scheffe", "none")),
      effects = adjusted(contrast(e, "eff"), c("mvt", "sidak", "none"))) }),
  oats = both("oats", function(m, k) { e <- emmeans(m, ~ nitro | Variety, lmer.df = k)
    list(reference = adjusted(contrast(e, "trt.vs.ctrl1"), c("dunnettx", "mvt", "sidak")), pairs = adjusted(pairs(e, reverse = TRUE), c("tukey", "sidak"))) }))

# ---- prediction intervals ------------------------------------------------------------------------
# emmeans: one new row of a new patient; its sigma is the root of all variances at that row.
# Known patient: prediction error of x'b + z'u from Henderson's equations, (X'X X'Z; Z'X Z'Z + G^-1)^-1
# sigma^2, with the variance of the new row (and of the new lesion) added.
total_sd <- function(m) sqrt(sum(as.data.frame(VarCorr(m))$vcov))
henderson <- function(m) { X <- getME(m, "X"); Z <- as.matrix(getME(m, "Z")); L <- as.matrix(getME(m, "Lambda"))
  W <- cbind(X, Z %*% L); C <- solve(crossprod(W) + diag(rep(0:1, c(ncol(X), ncol(Z))))) * sigma(m)^2
  T <- rbind(cbind(diag(ncol(X)), matrix(0, ncol(X), ncol(Z))), cbind(matrix(0, ncol(Z), ncol(X)), L)); T %*% C %*% t(T) }
A$prediction <- list(
  emmeans_new_patient = both("lesion_plain", function(m, k) { e <- emmeans(m, ~ type, lmer.df = k)
    list(sigma = total_sd(m), level = 0.95, table = named(frame(predict(e, interval = "prediction", sigma = total_sd(m))))) }),
  emmeans_new_patient_level90 = both("lesion_plain", function(m, k) { e <- emmeans(m, ~ type, lmer.df = k)
    list(sigma = total_sd(m), level = 0.9, table = named(frame(predict(e, interval = "prediction", sigma = total_sd(m), level = 0.9)))) }),
  known_patient = { m <- use("lesion_plain"); V <- henderson(m); d_ <- D$lesion_small; one <- d_[!duplicated(d_$patient), ]
    x <- model.matrix(~ type + sex + center + age, one); z <- diag(nrow(one)); w <- cbind(x, z)
    conditional <- sqrt(rowSums((w %*% V) * w))
    list(note = "the first row of each patient; se_mean: of its conditional mean; se_new: of a new lesion there", patient = as.character(one$patient),
      prediction = as.numeric(x %*% fixef(m) + ranef(m)$patient[as.character(one$patient), 1]), se_mean = conditional, se_new = sqrt(conditional^2 + sigma(m)^2)) },
  known_subject_slope = { m <- use("sleep"); V <- henderson(m); s <- levels(D$sleep$Subject); u <- ranef(m)$Subject
    day <- 12; w <- t(sapply(seq_along(s), function(i) { z <- rep(0, 2 * length(s)); z[2 * i - 1:0] <- c(1, day); c(1, day, z) }))
    conditional <- sqrt(rowSums((w %*% V) * w)); list(days = day, subject = s,
      prediction = as.numeric(fixef(m)[1] + day * fixef(m)[2] + u[s, 1] + day * u[s, 2]), se_mean = conditional, se_new = sqrt(conditional^2 + sigma(m)^2)) })

# ---- cluster-robust standard errors --------------------------------------------------------------
robust <- function(nm, L = NULL) { m <- use(nm); out <- list(formula = F_[[nm]])
  for (type in c("CR0", "CR1", "CR2")) { V <- vcovCR(m, type = type); out[[type]] <- list(vcov = unname(as.matrix(V)),
    test = named(coef_test(m, vcov = V, test = "Satterthwaite"))) }
  V <- vcovCR(m, type = "CR2"); out$intervals <- named(conf_int(m, vcov = V, level = 0.95))
  if (!is.null(L)) { out$contrasts <- named(linear_contrast(m, vcov = V, contrasts = L, test = "Satterthwaite")); out$matrix <- unname(L)
    out$wald <- named(Wald_test(m, constraints = L, vcov = V, test = "HTZ")) }
  out }
pick <- function(p, ...) { L <- matrix(0, length(list(...)), p); for (i in seq_along(list(...))) for (j in list(...)[[i]]) L[i, abs(j)] <- sign(j); L }
A$robust <- list(sleep = robust("sleep"), sleep_ri = robust("sleep_ri"), orthodont = robust("orthodont", pick(4, 2, c(2, 4))),
  lesion_plain = robust("lesion_plain", pick(9, 2, 3, c(4, -5))), oats = robust("oats"), machines = robust("machines", pick(3, 2, 3)))

# ---- pooled imputations --------------------------------------------------------------------------
# Imputation i replaces the types of every seventh row by the type i places on, the outcome of every
# fifth by itself + sin(row * i): invented, so that the numbers differ between imputations.
impute <- function(d, i) { k <- seq_len(nrow(d)); moved <- k %% 7 == 0
  d$type[moved] <- types[(match(d$type[moved], types) - 1 + i) %% 5 + 1]; shifted <- k %% 5 == 0
  d$mwf[shifted] <- d$mwf[shifted] + sin(k[shifted] * i); d }
each <- lapply(1:5, function(i) polish(F_$lesion_plain, impute(D$lesion_small, i)))
Q <- sapply(each, fixef); U <- sapply(each, function(m) diag(as.matrix(vcov(m))))
pooled <- function(n) lapply(setNames(seq_len(nrow(Q)), rownames(Q)), function(j) { p <- pool.scalar(Q[j, ], U[j, ], n = n, k = 1)
  p[c("qbar", "ubar", "b", "t", "r", "df", "fmi")] })
A$pooled <- list(formula = F_$lesion_plain, coefficient = rownames(Q), estimates = t(Q), variances = t(U),
  complete_df = list(infinite = pooled(Inf), `30` = pooled(31), `9.5` = pooled(10.5)))

# ---- offset --------------------------------------------------------------------------------------
m <- polish("Reaction ~ Days + offset(load) + (1 + Days | Subject)", D$sleep)
A$offset <- list(formula = "Reaction ~ Days + offset(load) + (1 + Days | Subject)", load = "(row counted from 1) modulo 5 * 10",
  criterion = criterion(m), estimates = as.list(fixef(m)), se = as.list(sqrt(diag(as.matrix(vcov(m))))), theta = unname(getME(m, "theta")), sigma = sigma(m),
  satterthwaite = named(coef(summary(m))), fitted = unname(fitted(m)), population = unname(predict(m, re.form = NA)),
  mean_at_5 = frame(emmeans(m, ~ Days, at = list(Days = 5), lmer.df = "satterthwaite")),
  mean_at_5_load_0 = frame(emmeans(m, ~ Days, at = list(Days = 5), offset = 0, lmer.df = "satterthwaite")))

# ---- one group left out at a time ----------------------------------------------------------------
deleted <- function(nm) { m <- use(nm); g <- names(ranef(m))[1]; i <- quiet(influence(m, groups = g))
  list(group = g, left_out = rownames(i[[paste0("fixed.effects[-", g, "]")]]), cooks_distance = as.numeric(cooks.distance(i)),
    estimates = unname(as.matrix(i[[paste0("fixed.effects[-", g, "]")]]))) }
A$deletion <- list(sleep_ri = deleted("sleep_ri"), lesion_plain = deleted("lesion_plain"))

version <- function(p) as.character(packageVersion(p))
packages <- c("lme4", "lmerTest", "pbkrtest", "emmeans", "mvtnorm", "clubSandwich", "mice")
write(toJSON(list(software = c(list(R = R.version.string), sapply(packages, version, simplify = FALSE)),
  data = files, factor_levels = levels_of, rows_left_out = unbalanced,
  models = lapply(names(F_), function(nm) list(name = nm, formula = F_[[nm]], data = data_of[[nm]])), answers = A),
  auto_unbox = TRUE, digits = I(14), null = "null", na = "null", dataframe = "columns", force = TRUE), "answers.json")
