"""State machines in CloudFormation, SAM, CDK and Serverless templates, each with its position in the file.

    find.py     which resources are state machines, and where their definitions are
    render.py   Fn::Sub, Fn::Join and the like, as far as they are known without an account
    read.py     turns them into Sources whose Problems point into the template

Nothing is deployed, fetched or guessed: a reference to another resource remains a `${placeholder}`.
"""

from __future__ import annotations

from sfnrun.asl.lint.templates.find import may_be_template
from sfnrun.asl.lint.templates.read import machines

__all__ = ["machines", "may_be_template"]
