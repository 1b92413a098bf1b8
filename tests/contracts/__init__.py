"""The conformance checks, on our own parts and on broken ones."""
