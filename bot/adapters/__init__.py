"""How the outside is asked and told: one technology, one home; no adapter imports another one's."""
