"""When things happen: commands from people, looks from the scheduler, and the order in which effects follow."""
