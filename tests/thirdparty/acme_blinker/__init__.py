"""Acme's blinker for coprocsim: one module for each part."""
