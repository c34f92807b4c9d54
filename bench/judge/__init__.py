"""The sequential judge against simulated traffic, beside the rules of other canary tools. Nothing here is real traffic.

``traffic`` makes the counts, ``ours`` and ``peers`` judge them, ``scenarios`` lists what is simulated, ``checks`` says
what must hold. Peers' rules are written from their sources and defaults.
"""
