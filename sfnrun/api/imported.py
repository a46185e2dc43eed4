"""Import executions of AWS as histories of sfnrun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from sfnrun.asl.load import Definition
from sfnrun.history.file import HistoryFile
from sfnrun.payload import Json, Payload
from sfnrun.replayer.aws_import import import_aws

__all__ = ["import_execution"]


def import_execution(
    documents: Mapping[str, Json] | Iterable[Json],
    definition: Definition | None,
    folder: str | Path,
    *,
    input: Payload | None = None,
    substitutions: Mapping[str, Json] | None = None,
    execution: str | None = None,
    name: str | None = None,
) -> Path:
    """Import an execution of AWS as a history in `folder`; return its file.

    `documents` are boto3's responses as JSON values: the pages of get_execution_history in any order, or for EXPRESS
    the log events of CloudWatch; and optionally those of describe_execution and describe_state_machine_for_execution.
    A single document need not be in a list.

        pages = boto3.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        history = sfnrun.import_execution(pages, "order.asl.yaml", "histories")
        sfnrun.replay(history, definition="changed.asl.yaml")  # DivergenceError: the first state that differs

    `definition` is the one that ran, with `substitutions` for its `${Name}`s; None takes it from the documents. `input`
    is used if the events lack it. `execution` is the ARN or name of one of several executions in a log. `name` is the
    name of the recording, by default the execution's own. Redriven executions are imported with all their attempts.

    Raises DivergenceError if the definition does not lead to these events; HistoryError if events are missing, cut
    where the result of a Task is needed, or of several executions, and if the name is taken; DefinitionError.
    """
    documents = [documents] if isinstance(documents, Mapping) else documents
    imported = import_aws(
        documents, definition, input=input, substitutions=substitutions, execution=execution, name=name
    )
    path = Path(folder) / f"{imported.name}.jsonl"
    with closing(HistoryFile(path, imported.start)) as file:
        imported.record(file)
    return path
