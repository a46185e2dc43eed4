import settings


def handler(event, context):
    import late

    return [settings.NAME, late.NAME]
