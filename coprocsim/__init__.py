"""An emulator of Xen's shared coprocessor framework; start reading in `README.md` beside this file."""

__version__ = "0.1.0"
