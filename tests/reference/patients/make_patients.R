# Writes patients.json: the mixed models of the questions "lesions" and "change", by lme4 and glmmTMB.
# Run in this folder: Rscript make_patients.R
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite)})
people <- read.delim("people.tsv", stringsAsFactors = TRUE)
rows <- merge(read.delim("lesions.tsv", stringsAsFactors = TRUE), people)
rows$lesion_type <- factor(rows$lesion_type, c("isointense", "hyperintense", "paramagnetic_rim"))
first <- subset(rows, years == 0)
first$prl <- as.integer(first$lesion_type == "paramagnetic_rim")
g <- glmer(prl ~ edss + age + sex + (1 | participant_id), first, binomial, nAGQ = 25,
           control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10))
b <- coef(summary(g))["edss", ]
t <- glmmTMB(mwf_percent ~ years * edss + lesion_type * years + age + sex +
               (1 + years | participant_id) + (0 + years | participant_id:lesion_type) +
               (1 | participant_id:lesion_id), dispformula = ~ lesion_type, rows, REML = TRUE)
s <- coef(summary(t))$cond["years:edss", ]
result <- list(
  versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  glmmTMB = as.character(packageVersion("glmmTMB"))),
  lesions = list(estimate = exp(b[[1]]), std_error = b[[2]], n = nrow(first)),
  change = list(estimate = s[[1]], std_error = s[[2]], logLik = as.numeric(logLik(t)))
)
write(toJSON(result, auto_unbox = TRUE, digits = 10, pretty = TRUE), "patients.json")
print(VarCorr(t)); print(t$sdr$pdHess)
