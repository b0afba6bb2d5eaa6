# Joint tests, interaction contrasts, and one-sided, equivalence and non-inferiority tests of ratios:
# emmeans on glmmTMB fits (Laplace). Run in this folder: Rscript make_marginal.R (writes marginal.json)
suppressPackageStartupMessages({library(glmmTMB); library(emmeans); library(jsonlite)})
frame <- function(x) { x <- data.frame(x, check.names = FALSE); x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x }
tight <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4))
d <- read.csv(gzfile("data/contraception.csv.gz"))
d$urban <- factor(d$urban, levels = c("N", "Y")); d$livch <- factor(d$livch, levels = c("0", "1", "2", "3+"))
m <- glmmTMB(use ~ urban * livch + age + (1 | district), d, family = binomial, control = tight)
grid <- ref_grid(m, df = Inf)                 # Wald z, as glmer and glmmTMB's own summary
g <- emmeans(grid, ~ livch | urban)
pairs_ <- contrast(g, "pairwise")
ask <- function(side, null, delta = 0, x = pairs_) frame(as.data.frame(test(x, side = side, null = log(null), delta = if (delta > 0) log(delta) else 0, adjust = "none")))
slope <- emtrends(m, ~ urban, var = "age", df = Inf)
write_json(list(
  joint = frame(joint_tests(m)), joint_by = frame(joint_tests(m, by = "urban")),
  interaction = frame(contrast(emmeans(grid, ~ livch * urban), interaction = "pairwise")),
  interaction_reference = frame(contrast(emmeans(grid, ~ livch * urban), interaction = c("consec", "trt.vs.ctrl1"))),
  greater = ask(">", 1.1), equivalence = ask("equivalence", 1, 1.5), noninferiority = ask("noninferiority", 1, 1.25),
  nonsuperiority = ask("nonsuperiority", 0.9, 1.25),
  slope_less = frame(as.data.frame(test(slope, side = "<", null = log(1.2))))),
  "marginal.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
