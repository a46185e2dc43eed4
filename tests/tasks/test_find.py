"""One function, many names."""

from __future__ import annotations

import pytest

from sfnrun.config.names import function_name, qualifier
from sfnrun.errors import UnansweredTaskError
from sfnrun.tasks.lambdas.find import FunctionFolder

# What a definition says, the file that it finds among FILES; None if it finds none.
FILES = (
    "charge_card.py",
    "refund.py",
    "refund-order/app.py",
    "shipOrder/lambda_function.py",
    "notify/index.py",
    "notify/index_test.py",
    "audit/__init__.py",
    "audit/app.py",
    "text_lambda/app.py",
    "s3_upload.py",
    "http_get.py",
    "order_function.py",
    "order.py",
    "_private.py",
    ".hidden.py",
    "no_code/readme.md",
    "learn.py",
)
FOUND = [
    ("charge_card", "charge_card.py"),
    ("charge-card", "charge_card.py"),
    ("ChargeCard", "charge_card.py"),
    ("chargeCard", "charge_card.py"),
    ("CHARGE_CARD", "charge_card.py"),
    ("charge-card:prod", "charge_card.py"),
    ("charge-card:$LATEST", "charge_card.py"),
    ("123456789012:function:charge-card", "charge_card.py"),
    ("arn:aws:lambda:us-east-1:123456789012:function:ChargeCard", "charge_card.py"),
    ("arn:aws:lambda:us-east-1:123456789012:function:ChargeCard:12", "charge_card.py"),
    ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:charge_card", "charge_card.py"),
    ("${ChargeCard}", "charge_card.py"),
    ("${ChargeCardFunctionArn}", "charge_card.py"),
    ("${ChargeCardFunction.Arn}", "charge_card.py"),
    ("${charge_card_lambda_arn}", "charge_card.py"),
    ("${ChargeCardLambdaFunctionName}", "charge_card.py"),
    ("${ChargeCardFunctionArn}:$LATEST", "charge_card.py"),
    ("arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:charge-card", "charge_card.py"),
    ("arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${ChargeCard}:live", "charge_card.py"),
    ("${Stage}-charge-card", "charge_card.py"),
    ("ChargeCardFunction", "charge_card.py"),
    ("Refund", "refund.py"),
    ("RefundOrder", "refund-order/app.py"),
    ("ship-order", "shipOrder/lambda_function.py"),
    ("Notify", "notify/index.py"),
    ("audit", "audit/app.py"),
    ("Text", "text_lambda/app.py"),
    ("TextLambda", "text_lambda/app.py"),
    ("S3Upload", "s3_upload.py"),
    ("HTTPGet", "http_get.py"),
    ("OrderFunction", "order_function.py"),
    ("${OrderFunctionArn}", "order_function.py"),
    ("Order", "order.py"),
    ("Learn", "learn.py"),
    ("Le", None),
    ("private", None),
    ("hidden", None),
    ("no_code", None),
    ("unknown", None),
    ("${UnknownFunctionArn}", None),
    ("${AWS::StackName}", None),
    ("", None),
]


@pytest.fixture
def folder(tmp_path) -> FunctionFolder:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return FunctionFolder(tmp_path)


@pytest.mark.parametrize(("name", "file"), FOUND)
def test_names_meet_files(name: str, file: str | None, folder: FunctionFolder) -> None:
    code = folder.find(name)
    if file is None:
        assert code is None
    else:
        assert code is not None
        where = code.folders[0] + "/" + code.module
        assert where == str(folder.path / file.removesuffix(".py"))


def test_a_package_is_imported_as_one(tmp_path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "__init__.py").write_text("")
    code = FunctionFolder(tmp_path).find("Mail")
    assert code is not None
    assert (code.folders[0], code.module, code.handler) == (str(tmp_path), "mail", "mail.handler")


def test_several_that_are_as_good_are_an_error(tmp_path) -> None:
    (tmp_path / "functions" / "charge-card").mkdir(parents=True)
    (tmp_path / "functions" / "charge-card" / "app.py").write_text("")
    (tmp_path / "functions" / "charge_card.py").write_text("")
    folder = FunctionFolder(tmp_path / "functions")
    with pytest.raises(UnansweredTaskError) as caught:
        folder.find("ChargeCard")
    shown = "functions/charge-card and functions/charge_card.py"
    assert caught.value.message == f"function 'ChargeCard' is ambiguous: {shown} all match"
    hint = "choose one in sfnrun.yaml: functions: {ChargeCard: {handler: file.py:function}}"
    assert caught.value.hint == hint
    code = folder.find("charge_card")
    assert code is not None
    assert code.module == "charge_card", "the very name decides"


def test_a_folder_that_is_not_there_has_no_functions(tmp_path) -> None:
    assert FunctionFolder(tmp_path / "nowhere").find("f") is None


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("f", "f", ""),
        ("f:prod", "f", "prod"),
        ("f:$LATEST", "f", "$LATEST"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:7", "f", "7"),
        ("123456789012:function:f", "f", ""),
        ("${F.Arn}:live", "${F.Arn}", "live"),
        ("arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${F}", "${F}", ""),
        ("", "", ""),
    ],
)
def test_names_in_arns(text: str, name: str, version: str) -> None:
    assert (function_name(text), qualifier(text)) == (name, version)
