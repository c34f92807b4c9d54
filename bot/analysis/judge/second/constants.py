"""Constants of the second edition; what services may set is in ``bot.model.judge_settings``."""

from __future__ import annotations

import math

import numpy as np

from bot.analysis.judge.settings import Floats

LADDER: Floats = np.array([1.2, 1.6, 2.5, 5.0, 15.0])  # alternatives: so many times worse than is allowed
CEILING_TIMES = (1.5, 2.5, 4.0, 8.0)

LOWER: Floats = np.array([0.1, 0.3, 0.6])  # a pass: the canary has so small a part of what the margin allows
BOTH: Floats = np.concatenate([LADDER, LOWER])

ENTERING_PROBATION = 0.5  # of the reserve, what joins in the first row of a probation

PATIENCE = 6  # capped rows to an abort while the shield protects users; else as the settings say
VOTE_FIRST = 1 / 4  # of what an abort needs: what the first capped row of votes may add
FIRST = 1 / 2  # the same of the other processes

HOME = (1.0, 4.0, 4.0)  # times the evidence at which users go home (``home``): errors, and both latencies
HOME_CEILING = 1.0
HOME_FIRST = 0.6  # of the log of that, what one row may add: two must agree
HOME_EVENTS = 3  # bad requests of the canary
QUIET = 0.05  # of the shield, below which its events are forgotten

LEAST_ROWS = 8  # of a probation before it can end well
SECOND_START = 6  # its row in which the pass test starts once more: the tail of a blip is held against nobody twice
MOST_ROWS = 60

INFORMED = 0.35  # weight of the bet that it is exactly like the primary
EACH_LOWER = 0.05
PASS_PATIENCE = 4
MEMORY = 0.9  # a row, of what both sides were like lately

TREND_LEAST = 0.1  # of the mean: no trend is believed below it
SPREAD = 1.5  # standard deviations that dispersion is given for chance
WIDEST = 1000.0
FEWEST_BLOCKS = 8
BLOCKS = (1, 2, 4, 8, 16, 30)  # rows in a block
BLOCKS_TO_PASS = (1, 2, 4, 8)
BLOCKS_SHORT = (1, 2, 4)
USUAL_BLOCK = 20  # rows whose median says what is usual

STRETCH = 1.10  # times the primary's typical latency that are allowed
STRETCHES = (1.15, 1.25, 1.45, 1.9)
STRETCH_ACTIVE = 0.8
STRETCH_HAZARD = 1 / 400
STRETCH_NEW_STAGE = 0.1
STRETCH_NEEDED = math.log(20)
STRETCH_MEMORY = 2000.0  # requests in which the primary's mean forgets

EXACT = 1e-6  # capped rows land exactly on a threshold
DECIMALS = 7  # a state that went through JSON is the same state
FINE = 10  # decimals of what is fixed at the start about latency
