"""Odd inputs for everything that reads what others write: what they are, and the law that holds for all of them.

``make fuzz`` looks for new ones, guided by coverage where atheris runs; ``tests/unit/test_fuzz.py`` tries those that
are known, and some at random, at every test.
"""
