"""Figures over a machine's rows and its trace: read-only, and without any plugin; `README.md` lists the trace."""
