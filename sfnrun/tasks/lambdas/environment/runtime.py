"""What Lambda's Python runtime does with a handler: import it, and turn what it raises into its error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import ModuleType

from sfnrun.tasks.lambdas.environment import errors, hints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Handler", "error_of", "load_handler"]

Handler = Callable[["Any", "Any"], "Any"]


def load_handler(
    handler: str,
    module: str,
    names: Sequence[str],
    load: Callable[[str], ModuleType],
    plain: Callable[[str], str] = str,
) -> Handler:
    """Import a handler: the first of `names` that `module` has. `handler` is its name in Lambda ("app.handler").

    `load` imports a module, `plain` is applied to the texts of its errors. Raises FunctionError without a request id,
    because Lambda imports a handler before the first request; whatever is not an Exception ends the process.
    """
    if not module:
        raise errors.malformed_handler(handler)
    if module.partition(".")[0] in sys.builtin_module_names:
        raise errors.name_conflict(module)
    try:
        loaded = load(module)
    except ImportError as error:
        raise errors.import_failed(module, plain(str(error)), hints.on_import(error)) from None
    except SyntaxError as error:
        raise errors.syntax_error(module, error) from None
    except Exception as error:
        raise errors.raised(error, "", plain(str(error))) from None
    for name in names:
        try:
            found: Handler = attrgetter(name)(loaded)
        except AttributeError:
            continue
        return found
    raise errors.handler_not_found(module, names[0], hints.on_missing(names, loaded))


def error_of(
    error: Exception, request_id: str, handler: Handler, plain: Callable[[str], str] = str
) -> errors.FunctionError:
    """The error of a function whose handler raised.

    Nothing guards the call of the exception's `__str__` in Lambda's runtime: what it raises ends the process.
    """
    return errors.raised(error, request_id, plain(str(error)), hints.on_call(error, handler))
