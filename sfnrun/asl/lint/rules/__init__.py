"""The rules, by section: `sfnrun.asl.lint.rule` explains how to write one, `sfnrun.asl.lint.rulebook` runs them."""
