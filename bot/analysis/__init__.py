"""Are the figures good: gates, the sequential judge, harm of mirroring. Pure."""
