# The fit of lmer in each voxel: Rscript lmer_voxels.R FOLDER reads rows.csv and values.csv there
# (make_values.py) and writes lmer.json. The optimum is polished with bobyqa; it is the better of
# those reached from the default start and from a start without random effects.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})
folder <- commandArgs(TRUE)[1]
data <- read.csv(file.path(folder, "rows.csv"), stringsAsFactors = TRUE)
values <- read.csv(file.path(folder, "values.csv"))
formula <- y ~ group * years + age + sex + (1 + years | participant_id)
quiet <- list(check.conv.singular = "ignore", calc.derivs = FALSE)
tight <- do.call(lmerControl, c(quiet, list(optimizer = "bobyqa",
  optCtrl = list(rhobeg = 1e-4, rhoend = 1e-11, maxfun = 1e5))))
fit <- function(column) {
  data$y <- column
  best <- NULL
  for (start in list(NULL, c(0.1, 0, 0.1), c(1, -0.5, 0.01))) {
    m <- lmerTest::lmer(formula, data, start = start, control = do.call(lmerControl, quiet))
    for (i in 1:4) m <- lmerTest::lmer(formula, data, start = getME(m, "theta"), control = tight)
    if (is.null(best) || logLik(m) > logLik(best)) best <- m
  }
  table <- coef(summary(best))
  v <- as.data.frame(VarCorr(best))
  list(estimate = unname(table[, "Estimate"]), std_error = unname(table[, "Std. Error"]),
       df = unname(table[, "df"]), p_value = unname(table[, "Pr(>|t|)"]), sigma = sigma(best),
       sd_intercept = v$sdcor[1], sd_years = v$sdcor[2],
       criterion = as.numeric(-2 * logLik(best)), singular = isSingular(best, tol = 1e-4),
       n = nobs(best))
}
write(toJSON(list(
  software = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  lmerTest = as.character(packageVersion("lmerTest"))),
  terms = names(fixef(lmerTest::lmer(formula, cbind(data, y = values[[1]]), control = do.call(lmerControl, quiet)))),
  voxels = lapply(values, fit)
), auto_unbox = TRUE, digits = I(14), na = "null"), file.path(folder, "lmer.json"))
