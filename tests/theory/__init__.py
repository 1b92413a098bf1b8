"""What others have worked out about scheduling, held against ours: one module for each algorithm or law."""
