"""Asking a running LiteLLM proxy for its teams and keys, as its administrator: GET /team/list and /key/list."""

from collections.abc import Iterator
from typing import Final

import httpx

from governance.moving.errors import SourceSilent

_PAGE_SIZE: Final = 100
_MOST_PAGES: Final = 10_000
_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)


def ask_litellm(*, url: str, master_key: str) -> Iterator[bytes]:
    """Yield what the proxy at this address answers. Raises SourceSilent."""
    headers = {"Authorization": f"Bearer {master_key}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT) as client:
            yield _get(client, "/team/list", {}).content
            for page in range(1, _MOST_PAGES):
                wanted = {"return_full_object": "true", "page": str(page), "size": str(_PAGE_SIZE)}
                answer = _get(client, "/key/list", wanted)
                yield answer.content
                said = answer.json()
                if not isinstance(said, dict) or page >= int(said.get("total_pages") or 1):
                    return
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise SourceSilent(f"LiteLLM at {url} could not be asked: {error}.") from error


def _get(client: httpx.Client, path: str, query: dict[str, str]) -> httpx.Response:
    answer = client.get(path, params=query)
    if answer.status_code != httpx.codes.OK:
        raise SourceSilent(
            f"LiteLLM answered {answer.status_code} to {path}: is the key that of its administrator (its master key)?"
        )
    return answer
