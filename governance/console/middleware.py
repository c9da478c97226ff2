"""Pages of the console hold figures of one person's teams: no cache may keep them."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

SyncAnswer = Callable[[HttpRequest], HttpResponse]
AsyncAnswer = Callable[[HttpRequest], Awaitable[HttpResponse]]


@sync_and_async_middleware
def no_store(get_response: SyncAnswer | AsyncAnswer) -> SyncAnswer | AsyncAnswer:
    """Mark every answer `Cache-Control: no-store`. Static files are answered before this is asked."""
    if iscoroutinefunction(get_response):
        ask_async = cast(AsyncAnswer, get_response)

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return _marked(await ask_async(request))

        return answer_async
    ask = cast(SyncAnswer, get_response)

    def answer(request: HttpRequest) -> HttpResponse:
        return _marked(ask(request))

    return answer


def _marked(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
