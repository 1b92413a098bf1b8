"""What theory says of scheduling, as pure functions: bounds and means, worked out without simulation."""
