"""The sequential judge against simulated traffic, beside the rules of other canary tools. Nothing here is real traffic.

``traffic`` makes the counts, ``ours`` and ``peers`` judge them, ``scenarios`` lists what is simulated, ``checks`` says
what must hold. Peers' rules are written from their sources and defaults.

That is open loop, for the first edition: what is said moves no traffic. The second edition sends users home, so it is
simulated in closed loop: ``world`` makes traffic that goes where it is sent, ``closed_loop`` judges and moves it,
``acceptance`` lists scenarios and limits, ``editions`` prints both editions side by side.
"""
