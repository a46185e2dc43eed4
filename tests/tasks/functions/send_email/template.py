def text(name):
    return f"Dear {name}"
