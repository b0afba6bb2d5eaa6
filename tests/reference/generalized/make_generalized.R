# Generalised linear mixed models from R: glmmTMB's Laplace approximation, and glmer's 25 adaptive
# nodes for models with one random intercept. Run in this folder:
#   Rscript make_generalized.R            every case: writes data/*.csv.gz and generalized.json
#   Rscript make_generalized.R NAME ...   prints these cases only
suppressPackageStartupMessages({library(lme4); library(glmmTMB); library(MASS); library(mlmRev)
  library(mice); library(emmeans); library(jsonlite); library(numDeriv)})
options(contrasts = c("contr.treatment", "contr.poly"), warn = 1)
dir.create("data", showWarnings = FALSE)

# ---- data: lower-case columns, factors with the reference level first ---------------------------
D <- list()
d <- lme4::cbpp
D$cbpp <- data.frame(herd = d$herd, incidence = d$incidence, size = d$size, period = d$period,
  row = factor(seq_len(nrow(d))))
d <- lme4::grouseticks
D$grouseticks <- data.frame(row = factor(d$INDEX), ticks = d$TICKS, brood = d$BROOD, year = d$YEAR,
  location = d$LOCATION, height = d$HEIGHT, height_centred = d$HEIGHT - mean(d$HEIGHT))
d <- mice::toenail
D$toenail <- data.frame(patient = factor(d$ID), outcome = as.numeric(as.character(d$outcome)),
  treatment = factor(as.character(d$treatment)), month = d$month)
d <- MASS::bacteria
D$bacteria <- data.frame(id = d$ID, present = as.numeric(d$y == "y"), trt = d$trt, week = d$week,
  late = as.numeric(d$week > 2), twice = 1 + seq_len(nrow(d)) %% 2)
d <- glmmTMB::Salamanders
D$salamanders <- data.frame(site = d$site, count = d$count, mined = d$mined, spp = d$spp,
  cover = d$cover)
D$salamanders$mined <- factor(as.character(D$salamanders$mined), levels = c("no", "yes"))
d <- MASS::epil
D$epil <- data.frame(subject = factor(d$subject), y = d$y, trt = d$trt, lbase = d$lbase,
  lage = d$lage, v4 = d$V4, visit = (d$period - 2.5) / 5, half = 1 + (seq_len(nrow(d)) %% 3) / 2)
d <- glmmTMB::Owls
D$owls <- data.frame(nest = d$Nest, calls = d$SiblingNegotiation, food = d$FoodTreatment,
  parent = d$SexParent, arrival = round(d$ArrivalTime - 24, 2), log_brood = d$logBroodSize)
d <- mlmRev::Contraception
D$contraception <- data.frame(district = d$district, use = as.numeric(d$use == "Y"),
  urban = d$urban, livch = d$livch, age = d$age / 10, age_squared = (d$age / 10)^2)
d <- lme4::VerbAgg
D$verbagg <- data.frame(id = d$id, item = d$item, r2 = as.numeric(d$r2 == "Y"), anger = d$Anger,
  gender = d$Gender, btype = d$btype, situ = d$situ)
d <- mlmRev::guImmun
D$guimmun <- data.frame(community = d$comm, mother = d$mom, immun = as.numeric(d$immun == "Y"),
  kid2p = d$kid2p, mom25p = d$mom25p, ord = d$ord, ethn = d$ethn, mom_ed = d$momEd,
  hus_ed = d$husEd, mom_work = d$momWork, rural = d$rural, indigenous = d$pcInd81)
d <- lme4::sleepstudy
D$sleep <- data.frame(subject = d$Subject, slow = as.numeric(d$Reaction > 300), days = d$Days)

# Simulated: rows (visits) in lesions in patients; the truth is in the call.
nested <- function(seed, patients, sizes, visits, b, sd, draw) {
  set.seed(seed)
  n <- sample(sizes, patients, replace = TRUE)
  lesions <- data.frame(patient = rep(seq_len(patients), n), lesion = seq_len(sum(n)))
  lesions$volume <- round(rnorm(nrow(lesions)), 2)
  lesions$rim <- factor(ifelse(runif(nrow(lesions)) < 0.4, "yes", "no"))
  lesions$effect <- rnorm(patients, 0, sd[1])[lesions$patient] + rnorm(nrow(lesions), 0, sd[2])
  d <- lesions[rep(seq_len(nrow(lesions)), each = visits), ]
  d$year <- rep(seq_len(visits) - 1, nrow(lesions))
  d$y <- draw(b[1] + b[2] * d$year + b[3] * d$volume + b[4] * (d$rim == "yes") + d$effect)
  d$effect <- NULL; d$patient <- factor(d$patient); d$lesion <- factor(d$lesion); row.names(d) <- NULL
  d
}
coin <- function(eta) rbinom(length(eta), 1, plogis(eta))
D$nested_logit <- nested(11, 24, 2:9, 3, c(-0.5, -0.3, 0.5, 0.8), c(1.3, 1.6), coin)
D$nested_cloglog <- nested(12, 15, 2:6, 2, c(-1.2, 0.3, 0.4, -0.5), c(0.7, 0.5),
  function(eta) rbinom(length(eta), 6, 1 - exp(-exp(eta))))
D$nested_cloglog$n <- 6
D$nested_poisson <- nested(13, 18, 2:6, 3, c(0.2, 0.2, 0.3, -0.4), c(0.6, 0.5),
  function(eta) rpois(length(eta), exp(eta)))
D$nested_nb <- nested(14, 20, 2:6, 3, c(0.8, 0.2, 0.3, -0.4), c(0.7, 0.5),
  function(eta) rnbinom(length(eta), mu = exp(eta), size = 2.5))
D$nested_zero <- nested(20, 20, 3:5, 2, c(0.3, 0.2, 0.4, -0.5), c(0, 0), coin)
crossed <- function(seed, lesions, raters) {
  set.seed(seed)
  d <- expand.grid(rater = factor(seq_len(raters)), lesion = factor(seq_len(lesions)))
  d$contrast <- round(rnorm(lesions), 2)[d$lesion]
  d <- d[runif(nrow(d)) < 0.7, ]
  d$rim <- coin(-0.4 + 0.9 * d$contrast + rnorm(raters, 0, 0.6)[d$rater] + rnorm(lesions, 0, 1.1)[d$lesion])
  d
}
D$crossed <- crossed(15, 120, 8)
# Two larger simulated tables that were there before; their numbers are kept to the last digit.
for (nm in c("prl", "prlong")) D[[nm]] <- read.csv(gzfile(file.path("data", paste0(nm, ".csv.gz"))),
  colClasses = c(pid = "factor", if (nm == "prlong") c(lid = "factor")))

# ---- models -----------------------------------------------------------------------------------
# `agq`: one random intercept, so that glmer can integrate with 25 nodes. `emm`: marginal means of.
M <- list()
model <- function(id, data, formula, family, link, ..., agq = FALSE, emm = NULL)
  M[[id]] <<- c(list(id = id, data = data, formula = formula, family = family, link = link),
    list(...), list(agq = agq, emm = emm))
cb <- "incidence ~ period + (1 | herd)"
model("cbpp_logit", "cbpp", cb, "binomial", "logit", trials = "size", agq = TRUE, emm = "period")
model("cbpp_probit", "cbpp", cb, "binomial", "probit", trials = "size", agq = TRUE)
model("cbpp_cloglog", "cbpp", cb, "binomial", "cloglog", trials = "size", agq = TRUE)
model("cbpp_rows", "cbpp", "incidence ~ period + (1 | herd) + (1 | row)", "binomial", "logit", trials = "size")
gt <- "ticks ~ year + height_centred + (1 | brood) + (1 | location)"
model("grouseticks_poisson", "grouseticks", paste(gt, "+ (1 | row)"), "poisson", "log")
model("grouseticks_nb", "grouseticks", gt, "negative_binomial", "log")
model("toenail", "toenail", "outcome ~ treatment * month + (1 | patient)", "binomial", "logit", agq = TRUE)
model("toenail_slope", "toenail", "outcome ~ treatment * month + (1 + month | patient)", "binomial", "logit")
model("bacteria", "bacteria", "present ~ trt + late + (1 | id)", "binomial", "logit", agq = TRUE, emm = "trt")
model("bacteria_weights", "bacteria", "present ~ trt + late + (1 | id)", "binomial", "logit", weights = "twice", agq = TRUE)
sa <- "count ~ spp * mined + (1 | site)"
model("salamanders_poisson", "salamanders", sa, "poisson", "log", agq = TRUE)
model("salamanders_nb", "salamanders", "count ~ spp + mined + cover + (1 | site)", "negative_binomial", "log", emm = "mined")
ep <- "y ~ lbase * trt + lage + v4 + (1 | subject)"
model("epil_poisson", "epil", ep, "poisson", "log", agq = TRUE, emm = "trt")
model("epil_slope", "epil", "y ~ lbase * trt + lage + visit + (1 + visit | subject)", "poisson", "log")
model("epil_nb", "epil", ep, "negative_binomial", "log")
model("epil_weights", "epil", ep, "poisson", "log", weights = "half", agq = TRUE)
model("epil_sqrt", "epil", "y ~ lbase + trt + v4 + (1 | subject)", "poisson", "sqrt", agq = TRUE)
co <- "use ~ age + age_squared + urban + livch"
model("contraception", "contraception", paste(co, "+ (1 | district)"), "binomial", "logit", agq = TRUE)
model("contraception_slope", "contraception", paste(co, "+ (1 + urban | district)"), "binomial", "logit")
model("contraception_nested", "contraception", paste(co, "+ (1 | district) + (1 | district:urban)"), "binomial", "logit")
model("verbagg_crossed", "verbagg", "r2 ~ anger + gender + btype + situ + (1 | id) + (1 | item)", "binomial", "logit")
model("crossed", "crossed", "rim ~ contrast + (1 | lesion) + (1 | rater)", "binomial", "logit")
ow <- "calls ~ food * parent + arrival + (1 | nest)"
model("owls_poisson", "owls", ow, "poisson", "log", offset = "log_brood", agq = TRUE)
model("owls_nb", "owls", ow, "negative_binomial", "log", offset = "log_brood", emm = "food")
model("guimmun", "guimmun", paste("immun ~ kid2p + mom25p + ord + ethn + mom_ed + hus_ed + mom_work + rural + indigenous",
  "+ (1 | community) + (1 | mother)"), "binomial", "logit")
model("sleep", "sleep", "slow ~ days + (1 | subject)", "binomial", "logit", agq = TRUE)
ne <- "y ~ year + volume + rim + (1 | patient) + (1 | lesion)"
model("nested_logit", "nested_logit", ne, "binomial", "logit")
model("nested_probit", "nested_logit", ne, "binomial", "probit")
model("nested_cloglog", "nested_cloglog", ne, "binomial", "cloglog", trials = "n")
model("nested_poisson", "nested_poisson", ne, "poisson", "log")
model("nested_nb", "nested_nb", ne, "negative_binomial", "log")
model("nested_zero", "nested_zero", "y ~ year + volume + rim + (1 | patient)", "binomial", "logit", agq = TRUE)
model("prl", "prl", "prl ~ age + lvol + edss + (1 | pid)", "binomial", "logit", agq = TRUE)
model("prlong", "prlong", "y ~ t + age + lvol + (1 | pid) + (1 | lid)", "binomial", "logit")

# ---- fits --------------------------------------------------------------------------------------
quiet <- function(e) suppressWarnings(suppressMessages(e))
r_formula <- function(m) {
  f <- m$formula
  if (!is.null(m$trials)) f <- sub("^(\\w+) ~", sprintf("cbind(\\1, %s - \\1) ~", m$trials), f)
  if (!is.null(m$offset)) f <- paste0(f, " + offset(", m$offset, ")")
  as.formula(f, env = globalenv())
}
r_family <- function(m) switch(m$family, binomial = binomial(m$link), poisson = poisson(m$link),
  negative_binomial = nbinom2(m$link))
prior <- function(m, d) if (is.null(m$weights)) rep(1, nrow(d)) else d[[m$weights]]
named <- function(x) as.list(x)
frame <- function(x) { x <- data.frame(x, check.names = FALSE, row.names = NULL); x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x }

# Newton's steps with glmmTMB's exact gradient, until it vanishes: nlminb stops at about 1e-4.
newton <- function(f, gr, p, steps = 8) {
  for (k in seq_len(steps)) {
    g <- as.numeric(gr(p)); H <- jacobian(function(q) as.numeric(gr(q)), p)
    if (max(abs(g)) < 1e-9) break
    if (min(eigen(H, TRUE, TRUE)$values) < 1e-6) break     # a standard deviation runs to zero
    p <- p - solve(H, g)
  }
  list(p = p, gradient = max(abs(as.numeric(gr(p)))), hessian = jacobian(function(q) as.numeric(gr(q)), p))
}
# The call holds values, not names of this function: insight evaluates it again for the null model.
fit_tmb <- function(m, d) { w_ <<- prior(m, d)
  quiet(do.call(glmmTMB, list(r_formula(m), data = quote(d), family = r_family(m), weights = quote(w_), control =
    glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14, x.tol = 1e-11))))) }
laplace <- function(m, fit, d) {
  o <- fit$obj; o$env$inner.control$tol <- 1e-12; o$env$tracepar <- FALSE
  best <- newton(o$fn, o$gr, fit$fit$par); p <- best$p; kind <- names(fit$fit$par)
  free <- !(kind == "theta" & p < -5)                      # zero: no curvature in its logarithm
  V <- solve(best$hessian[free, free]); se <- rep(NA, length(p)); se[free] <- sqrt(diag(V))
  b <- kind == "beta"; names(p) <- names(se) <- NULL
  terms <- colnames(fit$modelInfo$reTrms$cond$Ztlist) ; th <- p[kind == "theta"]; th_se <- se[kind == "theta"]; at <- 0
  random <- list()
  for (g in seq_along(fit$modelInfo$reStruc$condReStruc)) {
    columns <- fit$modelInfo$reTrms$cond$cnms[[g]]; k <- length(columns); s <- th[at + seq_len(k)]
    one <- list(group = names(fit$modelInfo$reTrms$cond$cnms)[g], columns = I(columns), sd = I(exp(s)), log_sd_se = I(th_se[at + seq_len(k)]))
    if (k == 2) { r <- th[at + 3]; one$correlation <- r / sqrt(1 + r^2); at <- at + 1 }
    at <- at + k; random[[g]] <- one
  }
  coefficient <- names(fixef(fit)$cond)
  out <- list(log_likelihood = -as.numeric(o$fn(p)), gradient = best$gradient,
    estimates = named(setNames(p[b], coefficient)), se = named(setNames(se[b], coefficient)), random = random,
    singular = any(!free))
  if (m$family == "negative_binomial") { out$k <- exp(p[kind == "betad"]); out$log_k_se <- se[kind == "betad"] }
  out
}
# glmer leaves the saturated likelihood out of its criterion when nAGQ > 1: it is put back.
saturated <- function(m, d) {
  y <- model.response(model.frame(as.formula(sub(" \\+ \\(.*", "", deparse1(r_formula(m)))), d)); w <- prior(m, d)
  if (m$family == "poisson") return(sum(w * dpois(y, y, log = TRUE)))
  if (is.null(m$trials)) return(0)
  n <- rowSums(y); sum(dbinom(y[, 1], n, y[, 1] / n, log = TRUE))
}
quadrature <- function(m, d) {
  w_ <<- prior(m, d); m$link_family <- r_family(m)
  f <- quiet(glmer(r_formula(m), d, family = m$link_family, weights = w_, nAGQ = 25,
    control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5), calc.derivs = FALSE)))
  dev <- quiet(glmer(r_formula(m), d, family = m$link_family, weights = w_, nAGQ = 25, devFunOnly = TRUE,
    control = glmerControl(tolPwrss = 1e-13)))
  p <- c(getME(f, "theta"), fixef(f)); zero <- p[1] < 1e-3
  if (zero) p[1] <- 0
  g <- function(q) dev(if (zero) c(0, q) else q); q <- if (zero) p[-1] else p
  for (k in 1:4) { H <- hessian(g, q); q <- q - solve(H, grad(g, q)) }
  V <- solve(hessian(g, q) / 2); se <- sqrt(diag(V)); b <- names(fixef(f)); n <- length(b)
  out <- list(nodes = 25, log_likelihood = -dev(if (zero) c(0, q) else q) / 2 + saturated(m, d),
    estimates = named(setNames(tail(q, n), b)), se = named(setNames(tail(se, n), b)), sd = if (zero) 0 else q[[1]])
  if (!zero) out$sd_se <- se[[1]]
  out
}
marginal <- function(m, fit) {
  e <- emmeans(fit, as.formula(paste("~", m$emm)), df = Inf)
  list(of = m$emm, link = frame(e), pairs_link = frame(summary(pairs(e, adjust = "none", reverse = TRUE), infer = TRUE)),
    response = frame(summary(e, type = "response")),
    pairs_response = frame(summary(pairs(e, adjust = "none", reverse = TRUE), type = "response", infer = TRUE)))
}
# Nakagawa, Johnson & Schielzeth 2017 (J R Soc Interface 14:20170213) by performance and insight;
# overdispersion: Pearson's chi-squared over the residual df (Gelman & Hill 2007, p. 115).
latent <- function(fit) { v <- quiet(insight::get_variance(fit)); r2 <- quiet(performance::r2_nakagawa(fit))
  o <- quiet(performance::check_overdispersion(fit))
  list(var_fixed = v$var.fixed, var_random = v$var.random, var_residual = v$var.residual, r2_marginal = unname(r2$R2_marginal),
    r2_conditional = unname(r2$R2_conditional), icc_adjusted = quiet(performance::icc(fit))$ICC_adjusted,
    pearson_chi_squared = o$chisq_statistic, pearson_df = o$residual_df) }
case <- function(m) {
  d <<- D[[m$data]]; fit <- fit_tmb(m, d)
  out <- m[setdiff(names(m), c("agq", "emm", "id"))]; out$n_rows <- nrow(d)
  out$laplace <- laplace(m, fit, d)
  if (m$agq) out$quadrature <- quadrature(m, d)
  if (!is.null(m$emm)) {
    out$marginal <- marginal(m, fit)
    out$latent <- latent(fit)
    out$profile_intervals <- { ci <- quiet(confint(fit, method = "uniroot", parm = "beta_"))
      data.frame(row = names(fixef(fit)$cond), low = unname(ci[, 1]), high = unname(ci[, 2]), row.names = NULL) }
    out$random_effects <- quiet(frame(as.data.frame(ranef(fit, condVar = TRUE))))[c("grpvar", "grp", "condval", "condsd")]
  }
  out
}
wanted <- commandArgs(TRUE)
found <- list()
for (id in if (length(wanted)) wanted else names(M)) {
  begin <- proc.time()[[3]]; found[[id]] <- case(M[[id]]); x <- found[[id]]
  cat(sprintf("%-22s laplace %.6f (gradient %.0e)%s  %.1f s\n", id, x$laplace$log_likelihood, x$laplace$gradient,
    if (is.null(x$quadrature)) "" else sprintf("  25 nodes %.6f", x$quadrature$log_likelihood), proc.time()[[3]] - begin))
}
if (length(wanted)) { print(found); quit() }
used <- unique(vapply(M, `[[`, "", "data"))
for (nm in setdiff(used, c("prl", "prlong"))) {
  con <- gzfile(file.path("data", paste0(nm, ".csv.gz")), "w", compression = 9)
  write.csv(format(D[[nm]], digits = 15, trim = TRUE, drop0trailing = TRUE), con, row.names = FALSE, quote = FALSE); close(con)
}
levels_of <- lapply(D[used], function(d) lapply(Filter(function(v) is.factor(v) && nlevels(v) <= 10, d), levels))
version <- function(p) as.character(packageVersion(p))
packages <- c("glmmTMB", "TMB", "lme4", "MASS", "mlmRev", "mice", "emmeans", "performance", "insight")
write(toJSON(list(software = c(list(R = R.version.string), sapply(packages, version, simplify = FALSE)),
  factor_levels = levels_of, cases = found), auto_unbox = TRUE, digits = I(15), null = "null", na = "null",
  dataframe = "columns", pretty = 1), "generalized.json")
