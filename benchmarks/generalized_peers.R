# Fits by glmmTMB or glmer for benchmarks/generalized.py: prints one JSON line for each case.
# Rscript generalized_peers.R peer nodes case ...   (nodes: nAGQ of glmer)
suppressPackageStartupMessages({library(jsonlite); library(lme4); library(glmmTMB)})
options(contrasts = c("contr.treatment", "contr.poly"))
arguments <- commandArgs(TRUE); peer <- arguments[1]; nodes <- as.integer(arguments[2])
folder <- "tests/reference/generalized"
made <- read_json(file.path(folder, "generalized.json"))
table_of <- function(name) {
  d <- read.csv(gzfile(file.path(folder, "data", paste0(name, ".csv.gz"))), check.names = FALSE)
  levels <- made$factor_levels[[name]]
  for (column in names(levels)) d[[column]] <- factor(d[[column]], unlist(levels[[column]]))
  d
}
for (id in arguments[-(1:2)]) {
  case <- made$cases[[id]]; d <- table_of(case$data); f <- case$formula
  if (!is.null(case$trials)) f <- sub("^(\\w+) ~", sprintf("cbind(\\1, %s - \\1) ~", case$trials), f)
  if (!is.null(case$offset)) f <- paste0(f, " + offset(", case$offset, ")")
  f <- as.formula(f); w <- if (is.null(case$weights)) rep(1, nrow(d)) else d[[case$weights]]
  family <- switch(case$family, binomial = binomial(case$link), poisson = poisson(case$link),
    negative_binomial = nbinom2(case$link))
  used <- system.time(fit <- suppressWarnings(suppressMessages(if (peer == "glmmTMB")
    glmmTMB(f, d, family = family, weights = w) else if (case$family == "negative_binomial")
    glmer.nb(f, d) else glmer(f, d, family = family, weights = w, nAGQ = nodes))))
  seconds <- used[["user.self"]] + used[["sys.self"]]
  b <- if (peer == "glmmTMB") fixef(fit)$cond else fixef(fit)
  cat(toJSON(list(case = id, seconds = seconds, log_likelihood = as.numeric(logLik(fit)),
    estimates = unname(b)), auto_unbox = TRUE, digits = I(15)), "\n", sep = "")
}
