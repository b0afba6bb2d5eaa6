"""The profiled (restricted) likelihood with its derivatives."""
