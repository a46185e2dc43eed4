"""Charges a card. Two numbers are known to make trouble, as the test cards of payment services do."""

DECLINED = "4000000000000002"
FLAKY = "4000000000000119"


class CardDeclined(Exception):
    pass


class CardNetworkError(Exception):
    pass


def handler(event, context):
    if event["card"] == DECLINED:
        raise CardDeclined("The bank says no")
    if event["card"] == FLAKY and event["attempt"] == 0:
        raise CardNetworkError("The bank does not answer")
    amount = sum(item["price"] * item["quantity"] for item in event["reservations"])
    return {"payment_id": f"pay-{event['order']}", "amount": amount}
