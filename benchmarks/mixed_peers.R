# One fit by lme4 / lmerTest / pbkrtest for benchmarks/mixed.py: prints one JSON line for each step.
# Rscript mixed_peers.R data.csv "formula" peer repeats
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest)})
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1], stringsAsFactors = TRUE)
for (name in intersect(c("patient", "lesion"), names(data))) data[[name]] <- factor(data[[name]])
formula <- as.formula(arguments[2]); peer <- arguments[3]; repeats <- as.integer(arguments[4])
memory <- function(field) {
  line <- grep(field, readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
best <- function(expression) {
  seconds <- cpu <- Inf
  for (i in seq_len(repeats)) {
    gc(FALSE); took <- system.time(value <- expression())
    seconds <- min(seconds, took[["elapsed"]]); cpu <- min(cpu, took[["user.self"]] + took[["sys.self"]])
  }
  list(seconds = c(seconds, cpu), value = value)
}
say <- function(step, seconds, criterion = NA, df = NA) cat(sprintf(
  '{"step": "%s", "seconds": %.6g, "cpu": %.6g, "criterion": %s, "df": %s, "peak": %.6g}\n',
  step, seconds[1], seconds[2],
  if (is.na(criterion)) "null" else sprintf("%.14g", criterion),
  if (is.na(df)) "null" else sprintf("%.8g", df), memory("VmHWM") - start));
invisible(gc()); start <- memory("VmRSS")
quiet <- function(x) suppressMessages(suppressWarnings(x))
slope <- function(table) table[if ("years" %in% rownames(table)) "years" else "age", "df"]
if (peer == "lme4") {
  fit <- best(function() quiet(lme4::lmer(formula, data))); say("fit", fit$seconds, REMLcrit(fit$value))
} else if (peer == "lmerTest") {
  fit <- best(function() quiet(lmerTest::lmer(formula, data))); say("fit", fit$seconds, REMLcrit(fit$value))
  table <- best(function() quiet(coef(summary(fit$value))))
  say("satterthwaite", table$seconds, NA, slope(table$value))
} else {
  repeats <- 1L
  model <- quiet(lmerTest::lmer(formula, data))
  table <- best(function() coef(summary(model, ddf = "Kenward-Roger")))
  say("kenward-roger", table$seconds, REMLcrit(model), slope(table$value))
}
