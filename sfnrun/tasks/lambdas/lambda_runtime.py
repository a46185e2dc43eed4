"""A function runs in this process as it would in Lambda: cold start, warm invocations, its errors, its end.

The module is imported once, at the first invocation, and its globals survive from one invocation to the next. After a
timeout, an exit or a failed import the next invocation is a cold start again. Nothing a handler does ends in a
traceback of ours: whatever is raised is the function's error, except KeyboardInterrupt, which is the user's.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import attrgetter
from threading import Lock
from typing import Any

from msgspec import Struct

from sfnrun.effects import Failed, Pending, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, loads
from sfnrun.tasks.lambdas import advice
from sfnrun.tasks.lambdas.environment import variables_of_runtime
from sfnrun.tasks.lambdas.find import Code
from sfnrun.tasks.lambdas.function_error import FunctionError, exited, fault, platform, raised, told
from sfnrun.tasks.lambdas.lambda_context import LambdaContext
from sfnrun.tasks.lambdas.loading import CodeSpace
from sfnrun.tasks.lambdas.response import response_text
from sfnrun.tasks.lambdas.stage import Invocation, Sandbox, enter, leave

__all__ = ["Identity", "LambdaFunction"]

# How long Lambda lets the import take, which does not count as part of the function's timeout.
INIT_LIMIT = 10.0
_A_LITTLE = 0.05

Handler = Callable[[Any, Any], Any]


class Identity(Struct, frozen=True):
    """As whom a function is invoked."""

    arn: str
    region: str
    version: str = "$LATEST"
    client_context: Json = None


class _Life:
    """From a cold start to the end of the process that Lambda would have for the function."""

    __slots__ = ("__weakref__", "handler", "importing", "sandbox", "space")

    def __init__(self, code: Code, variables: Mapping[str, str]) -> None:
        self.space = CodeSpace(code.folders)
        self.sandbox = Sandbox(dict(variables), self.space.plain)
        self.handler: Handler | None = None
        self.importing = Lock()
        # The modules go when nobody is left who might run them: no next invocation, and no thread that was given up.
        weakref.finalize(self, self.space.close).atexit = False


class LambdaFunction:
    """One local function. `timeout` is in seconds, `memory` in MB, `variables` are its own environment variables."""

    def __init__(
        self,
        name: str,
        code: Code,
        *,
        timeout: float = 3,
        memory: int = 128,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.code = code
        self.timeout = timeout
        self.memory = memory
        self._variables = variables or {}
        self._life: _Life | None = None
        self._beginning = Lock()
        self._invocations: dict[str, Invocation] = {}

    def invoke(
        self, event: str, request: Request, identity: Identity, also: Mapping[str, Any] | None = None
    ) -> str | Pending | Reply:
        """Run the handler with the event, a JSON text, and return the JSON text of its result. Raises FunctionError.

        `also` are further attributes of the context object. A handler that knows of sfnrun may return PENDING or a
        Reply, and raise TaskFailed: they are passed on as they are.
        """
        life = self._alive(request, identity)
        invocation = self._invocations[request.id] = Invocation(life.sandbox, request.log)
        before = enter(invocation)
        try:
            return self._run(life, invocation, event, request, identity, also or {})
        except FunctionError as error:
            if error.hint:
                invocation.line(error.hint)
            raise
        except (KeyboardInterrupt, TaskFailed):
            raise
        except SystemExit as error:
            if not isinstance(error.code, int | None):
                invocation.line(told(error))
            invocation.line(advice.on_exit(error))
            raise self._ended(life, error.code, request) from None
        except BaseException as error:
            # Nothing in Lambda's runtime catches what is no Exception, so it ends the process.
            invocation.line(f"{type(error).__name__}: {told(error)}")
            invocation.line(advice.on_exit(error))
            raise self._ended(life, 1, request) from None
        finally:
            leave(before)
            invocation.finish()
            self._invocations.pop(request.id, None)

    def overtime(self, request: Request) -> float:
        """Seconds that a running invocation has left when its time limit is over: the import does not count."""
        invocation = self._invocations.get(request.id)
        if invocation is None:
            return _A_LITTLE  # it has not begun, or it is just over and its answer is on the way
        now = time.monotonic()
        if invocation.began is None:
            return _A_LITTLE if now < invocation.entered + INIT_LIMIT else 0.0
        return max(0.0, invocation.began + self.timeout - now)

    def timed_out(self, request: Request) -> Failed:
        """What the Task fails with when the timeout is over. The invocation still at work is heard no more.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html; the text is recorded.
        """
        invocation = self._invocations.pop(request.id, None)
        if invocation is not None:
            invocation.give_up()
        self._life = None
        request.log(
            f"{self.name} was stopped after its timeout of {self.timeout:g} s. To give it more, in sfnrun.yaml: "
            f"functions: {{{self.name}: {{timeout: 30}}}}"
        )
        message = f"RequestId: {request.id} Error: Task timed out after {self.timeout:.2f} seconds"
        return Failed("Sandbox.Timedout", platform("Sandbox.Timedout", message).text)

    def _alive(self, request: Request, identity: Identity) -> _Life:
        life = self._life
        if life is None:
            with self._beginning:
                life = self._life = self._life or _Life(self.code, self._environment(request, identity))
        return life

    def _environment(self, request: Request, identity: Identity) -> dict[str, str]:
        of_runtime = variables_of_runtime(
            self.name,
            memory=self.memory,
            region=identity.region,
            version=identity.version,
            handler=self.code.handler,
            folder=self.code.folders[0] if self.code.folders else "",
            seconds=request.at // 1000,
            request_id=request.id,
        )
        return {**of_runtime, **self._variables}

    def _run(
        self,
        life: _Life,
        invocation: Invocation,
        event: str,
        request: Request,
        identity: Identity,
        also: Mapping[str, Any],
    ) -> str | Pending | Reply:
        handler = life.handler or self._start(life)
        context = LambdaContext(
            aws_request_id=request.id,
            function_name=self.name,
            function_version=identity.version,
            invoked_function_arn=identity.arn,
            memory=self.memory,
            timeout=self.timeout,
            variables=life.sandbox.environment,
            client_context=identity.client_context,
        )
        vars(context).update(also)
        invocation.began = time.monotonic()
        try:
            result = handler(loads(event), context)
        except TaskFailed:
            raise
        except Exception as error:  # as the runtime does
            raise raised(error, request.id, life.space.plain, advice.on_call(error, handler)) from None
        return result if isinstance(result, Pending | Reply) else response_text(result, request.id, handler)

    def _start(self, life: _Life) -> Handler:
        """Import the module, or wait while another invocation does."""
        with life.importing:
            if life.handler is None:
                try:
                    life.handler = _import(self.code, life.space)
                except BaseException:
                    self._end(life)
                    raise
            return life.handler

    def _ended(self, life: _Life, status: object, request: Request) -> FunctionError:
        self._end(life)
        return exited(status, request.id)

    def _end(self, life: _Life) -> None:
        """The next invocation is a cold start, unless one was begun already."""
        with self._beginning:
            if self._life is life:
                self._life = None


def _import(code: Code, space: CodeSpace) -> Handler:
    """The handler. Raises FunctionError, without a request id: in Lambda this comes before the first request."""
    if not code.module:
        raise fault("MalformedHandlerName", f"Bad handler '{code.handler}': {_NO_MODULE}", hint=_MALFORMED)
    if code.module.partition(".")[0] in sys.builtin_module_names:
        raise fault("BuiltInModuleConflict", f"Cannot use built-in module {code.module} as a handler module")
    try:
        module = space.load(code.module)
    except ImportError as error:
        message = f"Unable to import module '{code.module}': {space.plain(told(error))}"
        raise fault("ImportModuleError", message, hint=advice.on_import(error)) from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise fault("UserCodeSyntaxError", f"Syntax error in module '{code.module}': {error}", trace=trace) from None
    except Exception as error:  # as the runtime does
        raise raised(error, "", space.plain) from None
    for name in code.names:
        with suppress(AttributeError):
            handler: Handler = attrgetter(name)(module)
            return handler
    message = f"Handler '{code.names[0]}' missing on module '{code.module}'"
    raise fault("UnansweredTaskError", message, hint=advice.on_missing(code.names, module))


# What Python says about the `module, name = handler.rsplit(".", 1)` of the runtime.
_NO_MODULE = "not enough values to unpack (expected 2, got 1)"
_MALFORMED = "a handler is named file.function, as in app.lambda_handler"
