"""The mapper: how often each word stands in one part."""

import re
from collections import Counter


def handler(event, context):
    return Counter(re.findall(r"[a-z]+", event.lower()))
