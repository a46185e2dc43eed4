"""State machines inside CloudFormation, SAM, CDK and Serverless templates, each at its place in the file.

    find.py     which resources are machines, and where their definitions stand
    render.py   Fn::Sub, Fn::Join and the like, as far as they can be told without an account
    read.py     what was found, made into Sources whose Problems point into the template

Nothing is deployed, fetched or guessed: a reference to another resource stays a `${placeholder}`.
"""

from __future__ import annotations

from sfnrun.asl.lint.templates.find import may_be_template
from sfnrun.asl.lint.templates.read import parts

__all__ = ["may_be_template", "parts"]
