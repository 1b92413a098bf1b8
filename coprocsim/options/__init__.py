"""The options that a machine is built with: a Kconfig, and a `.config` that chooses from it.

`build` is what a machine keeps of them, and light; `kconfig` is the one home of kconfiglib, for whoever reads or
writes a `.config`.
"""
