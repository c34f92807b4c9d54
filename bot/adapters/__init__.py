"""How the outside is asked and told: one technology, one home.

No technology knows another; only ``surroundings`` asks several for what one answer needs.
"""
