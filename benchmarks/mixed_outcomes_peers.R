# Outcomes of the same rows by lme4 / lmerTest for benchmarks/mixed_outcomes.py: CPU seconds,
# coefficients and the criterion.
# Rscript mixed_outcomes_peers.R rows.csv outcomes.csv "right side of the formula" lme4|lmerTest out.csv
suppressPackageStartupMessages(library(lmerTest))
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1], stringsAsFactors = TRUE)
data$participant_id <- factor(data$participant_id)
outcomes <- read.csv(arguments[2])
formula <- as.formula(paste("y ~", arguments[3]))
quiet <- function(x) suppressMessages(suppressWarnings(x))
data$y <- outcomes[[1]]
first <- quiet(lme4::lmer(formula, data))  # loads what is loaded once
fit <- if (arguments[4] == "lme4") {
  function(y) {
    made <- quiet(refit(first, y))
    c(fixef(made), REMLcrit(made))
  }
} else {
  function(y) {
    data$y <- y
    made <- quiet(lmerTest::lmer(formula, data))
    c(coef(summary(made))[, "Estimate"], REMLcrit(made))
  }
}
took <- system.time(found <- t(sapply(outcomes, fit)))
cat(took[["user.self"]] + took[["sys.self"]])
write.csv(found, arguments[5], row.names = FALSE)
