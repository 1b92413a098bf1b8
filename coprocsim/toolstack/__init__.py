"""What each command does: open the machine, load it, act, save it, or leave all as it was."""
