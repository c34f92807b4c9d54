"""How the outside is asked and told: one technology, one home, behind the ports of ``bot.controller.ports``.

Another mesh, store or source of figures is a module here; what its raw objects say is understood in ``bot.cluster``.

No technology knows another; only ``surroundings`` asks several for what one answer needs.
"""
