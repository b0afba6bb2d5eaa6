# The studies' default models fitted by nlme: residual variances by type (varIdent), effects of
# patients, of types within patients and of lesions. Rscript make_study_models.R (R 4.2.2, nlme 3.1)
library(nlme)
library(jsonlite)
set.seed(13)
types <- c("isointense", "hypointense", "hyperintense", "paramagnetic_rim")
n <- 12; lesions <- 9
patient <- rep(1:n, each = lesions)
lesion <- rep(1:lesions, n)
type <- sample(types, n * lesions, replace = TRUE, prob = c(.4, .2, .25, .15))
group <- as.integer(factor(paste(patient, type)))
rows <- do.call(rbind, lapply(0:2, function(visit) data.frame(
  participant_id = sprintf("sub-%02d", patient), session_id = sprintf("ses-%d", visit + 1),
  lesion_id = sprintf("lesion-%02d", lesion), lesion_type = type, years = visit,
  age = round(rnorm(n, 45, 10))[patient], sex = sample(c("F", "M"), n, TRUE)[patient],
  volume_mm3 = 0, mwf_percent = 0)))
rows$age <- rows$age[1:(n * lesions)]; rows$sex <- rows$sex[1:(n * lesions)]
volume <- round(exp(rnorm(n * lesions, 5, 1)), 1)
rows$volume_mm3 <- volume
sd <- c(isointense = .3, hypointense = .2, hyperintense = .6, paramagnetic_rim = .5)
mean <- c(isointense = 6, hypointense = 6.4, hyperintense = 4.5, paramagnetic_rim = 4)
slope <- c(isointense = .4, hypointense = .5, hyperintense = 0, paramagnetic_rim = -.2)
own <- slope[rows$lesion_type] + rnorm(n, 0, .2)[patient] + rnorm(max(group), 0, .25)[group] +
  rnorm(n * lesions, 0, .3)
rows$mwf_percent <- round(mean[rows$lesion_type] + rnorm(n, 0, .5)[patient] +
  rnorm(max(group), 0, .4)[group] + rnorm(n * lesions, 0, .4) + own * rows$years +
  rnorm(nrow(rows), 0, sd[rows$lesion_type]), 4)
write.csv(rows, "lesions.csv", row.names = FALSE, quote = FALSE)

rows$lesion_type <- factor(rows$lesion_type, types)
rows$kind <- rows$lesion_type
control <- lmeControl(maxIter = 500, msMaxIter = 2000, msMaxEval = 20000, niterEM = 100, tolerance = 1e-9, msTol = 1e-13,
                      opt = "optim", optimMethod = "BFGS")
record <- function(fit) {
  table <- summary(fit)$tTable
  ratios <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  list(term = rownames(table), estimate = table[, "Value"], std_error = table[, "Std.Error"],
       residual_sd = as.list(sigma(fit) * ratios), log_likelihood = as.numeric(logLik(fit)))
}
baseline <- lme(mwf_percent ~ lesion_type + age + sex + log(volume_mm3), rows[rows$years == 0, ],
                random = list(participant_id = ~1, kind = ~1),
                weights = varIdent(form = ~1 | lesion_type), control = control)
trajectory <- lme(mwf_percent ~ lesion_type * years + age + sex, rows,
                  random = list(participant_id = ~years, kind = ~0 + years, lesion_id = ~years),
                  weights = varIdent(form = ~1 | lesion_type), control = control)
print(VarCorr(trajectory)); print(VarCorr(baseline))
write_json(list(baseline = record(baseline), trajectory = record(trajectory)), "nlme.json",
           digits = 10, auto_unbox = TRUE, pretty = TRUE)
