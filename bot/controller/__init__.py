"""When things happen: commands from people, reconciles from the scheduler, and the order in which effects follow."""
