"""What can be wrong with readings on a grid: one file for each idea, pure over arrays."""
