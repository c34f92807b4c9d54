"""What is played: ``releases`` end well, ``verdicts`` judge bad figures, ``failures`` break something; ``checks``."""
