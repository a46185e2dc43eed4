"""The optimized integrations of Step Functions: services, actions, patterns, and the parameters they cannot do without.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html and the page of each service
(November 2026). `sync` and `token` say whether `.sync` and `.waitForTaskToken` exist. `needs` lists parameters; a tuple
inside is a choice of one.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sfnrun.effects import Resource
from sfnrun.payload import Json

__all__ = ["INTEGRATIONS", "NEEDS", "SDK_NEEDS", "Integration", "badly_formed", "example_result"]


class Integration(Struct, frozen=True):
    """The actions of a service, and which of them have which pattern. "*" is every action."""

    actions: frozenset[str]
    sync: frozenset[str] = frozenset()
    token: frozenset[str] = frozenset()
    sync2: frozenset[str] = frozenset()

    def patterns(self, action: str) -> tuple[str, ...]:
        """The patterns that an action has besides Request Response."""
        having = (("sync", self.sync), ("sync:2", self.sync2), ("waitForTaskToken", self.token))
        return tuple(pattern for pattern, actions in having if action in actions)


def _(actions: str, sync: str = "", token: str = "", sync2: str = "") -> Integration:
    names = frozenset(actions.split())
    return Integration(names, *(names if part == "*" else frozenset(part.split()) for part in (sync, token, sync2)))


INTEGRATIONS: dict[str, Integration] = {
    "apigateway": _("invoke", token="*"),
    "athena": _("getQueryExecution getQueryResults startQueryExecution stopQueryExecution", "startQueryExecution"),
    "aws-sdk": _(""),
    "batch": _("submitJob", "*", sync2="submitJob"),
    "bedrock": _(
        "createModelCustomizationJob invokeModel",
        "createModelCustomizationJob",
        "createModelCustomizationJob invokeModel",
    ),
    "codebuild": _(
        "batchDeleteBuilds batchGetReports startBuild startBuildBatch stopBuild stopBuildBatch retryBuildBatch "
        "deleteBuildBatch",
        "startBuild startBuildBatch retryBuildBatch",
    ),
    "databrew": _("startJobRun", "*"),
    "dynamodb": _("deleteItem getItem putItem updateItem"),
    "ecs": _("runTask", "*", "*"),
    "eks": _(
        "call createCluster createFargateProfile createNodegroup deleteCluster deleteFargateProfile deleteNodegroup "
        "runJob",
        "createCluster createFargateProfile createNodegroup deleteCluster deleteFargateProfile deleteNodegroup runJob",
        "call runJob",
    ),
    "elasticmapreduce": _(
        "addStep cancelStep createCluster modifyInstanceFleetByName modifyInstanceGroupByName "
        "setClusterTerminationProtection terminateCluster",
        "addStep createCluster terminateCluster",
    ),
    "emr-containers": _("createVirtualCluster deleteVirtualCluster startJobRun", "deleteVirtualCluster startJobRun"),
    "emr-serverless": _(
        "cancelJobRun createApplication deleteApplication startApplication startJobRun stopApplication",
        "createApplication deleteApplication startApplication startJobRun stopApplication",
    ),
    "events": _("putEvents", token="*"),
    "glue": _("startJobRun", "*"),
    "http": _("invoke"),
    "lambda": _("invoke", token="*"),
    "mediaconvert": _("createJob", "*"),
    "sagemaker": _(
        "createEndpoint createEndpointConfig createHyperParameterTuningJob createLabelingJob createModel "
        "createProcessingJob createTrainingJob createTransformJob updateEndpoint",
        "createHyperParameterTuningJob createLabelingJob createProcessingJob createTrainingJob createTransformJob",
    ),
    "sns": _("publish", token="*"),
    "sqs": _("sendMessage", token="*"),
    "states": _("startExecution", "*", "*", "*"),
}

NEEDS: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "apigateway:invoke": ("ApiEndpoint", "Method"),
    "athena:startQueryExecution": ("QueryString",),
    "athena:getQueryResults": ("QueryExecutionId",),
    "athena:getQueryExecution": ("QueryExecutionId",),
    "athena:stopQueryExecution": ("QueryExecutionId",),
    "batch:submitJob": ("JobDefinition", "JobName", "JobQueue"),
    "bedrock:invokeModel": ("ModelId",),
    "codebuild:startBuild": ("ProjectName",),
    "databrew:startJobRun": ("Name",),
    "dynamodb:deleteItem": ("TableName", "Key"),
    "dynamodb:getItem": ("TableName", "Key"),
    "dynamodb:putItem": ("TableName", "Item"),
    "dynamodb:updateItem": ("TableName", "Key"),
    "ecs:runTask": ("TaskDefinition",),
    "elasticmapreduce:addStep": ("ClusterId", "Step"),
    "elasticmapreduce:cancelStep": ("ClusterId", "StepId"),
    "elasticmapreduce:terminateCluster": ("ClusterId",),
    "emr-containers:startJobRun": ("VirtualClusterId",),
    "emr-serverless:startJobRun": ("ApplicationId", "ExecutionRoleArn"),
    "events:putEvents": ("Entries",),
    "glue:startJobRun": ("JobName",),
    "http:invoke": ("ApiEndpoint", "Method", ("Authentication", "InvocationConfig")),
    "lambda:invoke": ("FunctionName",),
    "mediaconvert:createJob": ("Role", "Settings"),
    "sagemaker:createModel": ("ModelName", "ExecutionRoleArn"),
    "sagemaker:createTrainingJob": ("TrainingJobName", "RoleArn", "OutputDataConfig", "ResourceConfig"),
    "sagemaker:createTransformJob": ("TransformJobName", "ModelName", "TransformInput", "TransformOutput"),
    "sns:publish": (("TopicArn", "TargetArn", "PhoneNumber"), "Message"),
    "sqs:sendMessage": ("QueueUrl", "MessageBody"),
    "states:startExecution": ("StateMachineArn",),
}

# The same for the SDK integrations that are used most; what they need stands in the SDK's model.
SDK_NEEDS: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "s3:getObject": ("Bucket", "Key"),
    "s3:putObject": ("Bucket", "Key"),
    "s3:headObject": ("Bucket", "Key"),
    "s3:deleteObject": ("Bucket", "Key"),
    "s3:listObjectsV2": ("Bucket",),
    "dynamodb:getItem": ("TableName", "Key"),
    "dynamodb:putItem": ("TableName", "Item"),
    "dynamodb:query": ("TableName",),
    "dynamodb:scan": ("TableName",),
    "dynamodb:updateItem": ("TableName", "Key"),
    "sfn:sendTaskSuccess": ("TaskToken", "Output"),
    "sfn:sendTaskFailure": ("TaskToken",),
    "sfn:sendTaskHeartbeat": ("TaskToken",),
    "sfn:startExecution": ("StateMachineArn",),
    "sfn:describeExecution": ("ExecutionArn",),
}


# -- parameters whose format a service checks before it starts --------------------------------------------------------
# Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html and a recorded refusal.


def _is_map_of_string_lists(value: Json) -> bool:
    return isinstance(value, dict) and all(
        isinstance(member, list) and all(isinstance(text, str) for text in member) for member in value.values()
    )


FORMATS: dict[tuple[str, str], dict[str, Callable[[Json], bool]]] = {
    ("apigateway", "invoke"): {"Headers": _is_map_of_string_lists, "QueryParameters": _is_map_of_string_lists},
}


def badly_formed(resource: Resource, parameters: Json) -> list[str]:
    """Names of the parameters whose format the service refuses."""
    formats = FORMATS.get((resource.service, resource.action))
    if formats is None or not isinstance(parameters, dict):
        return []
    return [name for name, fits in formats.items() if parameters.get(name) is not None and not fits(parameters[name])]


# -- example results, to start a mock with ----------------------------------------------------------------------------


def example_result(resource: Resource) -> Json:
    """A plausible result of a Task with this resource."""
    if resource.kind == "lambda":
        return {"ok": True}
    service = resource.service.removeprefix("aws-sdk:").lower()
    if resource.pattern == "waitForTaskToken":
        return {"approved": True}
    if (service, resource.action.lower()) in _RESULTS:
        return _RESULTS[service, resource.action.lower()]
    return _JOBS.get(service, {}) if resource.pattern.startswith("sync") else {}


_ID = "11111111-2222-3333-4444-555555555555"
_RESULTS: dict[tuple[str, str], Json] = {
    ("apigateway", "invoke"): {"ResponseBody": {}, "StatusCode": 200},
    ("athena", "getqueryresults"): {"ResultSet": {"Rows": []}},
    ("athena", "startqueryexecution"): {"QueryExecutionId": _ID},
    ("bedrock", "invokemodel"): {"Body": {}, "ContentType": "application/json"},
    ("dynamodb", "getitem"): {"Item": {"id": {"S": "1"}}},
    ("dynamodb", "query"): {"Count": 0, "Items": [], "ScannedCount": 0},
    ("dynamodb", "scan"): {"Count": 0, "Items": [], "ScannedCount": 0},
    ("events", "putevents"): {"Entries": [{"EventId": _ID}], "FailedEntryCount": 0},
    ("eventbridge", "putevents"): {"Entries": [{"EventId": _ID}], "FailedEntryCount": 0},
    ("http", "invoke"): {"ResponseBody": {}, "StatusCode": 200, "StatusText": "OK"},
    ("lambda", "invoke"): {"Payload": {"ok": True}, "StatusCode": 200},
    ("s3", "getobject"): {"Body": "", "ContentLength": 0},
    ("s3", "listobjectsv2"): {"Contents": [], "KeyCount": 0},
    ("sfn", "startexecution"): {"ExecutionArn": f"arn:aws:states:us-east-1:123456789012:execution:Name:{_ID}"},
    ("sns", "publish"): {"MessageId": _ID},
    ("sqs", "sendmessage"): {"MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e", "MessageId": _ID},
    ("states", "startexecution"): {"Output": {}, "Status": "SUCCEEDED"},
}
_JOBS: dict[str, Json] = {
    "athena": {"QueryExecution": {"QueryExecutionId": _ID, "Status": {"State": "SUCCEEDED"}}},
    "batch": {"JobId": _ID, "Status": "SUCCEEDED"},
    "codebuild": {"Build": {"BuildStatus": "SUCCEEDED"}},
    "ecs": {"Containers": [{"ExitCode": 0}], "LastStatus": "STOPPED"},
    "glue": {"Id": _ID, "JobRunState": "SUCCEEDED"},
}
