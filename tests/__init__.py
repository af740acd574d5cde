"""The tests. `python -m tests` runs all checks: format, lint, types, tests."""
