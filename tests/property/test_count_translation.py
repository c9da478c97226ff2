"""Questions for counts between wires: of the vendor's own types whatever was asked, and no shape does more than be
refused.
"""

import itertools
import json
from typing import Any

import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.input_token_count_params import InputTokenCountParams
from pydantic import TypeAdapter

from governance.gateway.rendition import read_as
from governance.gateway.translation import CountTranslation, Dialect
from governance.plugin.errors import RequestInvalid
from governance.plugin.provider import Wire
from tests.property.conversations import FORMATS, GEMINI, MESSAGES, RESPONSES, conversations, spoilt
from tests.property.test_translation import DESTINATION, EXAMPLES, of_google

COUNTS = {
    MESSAGES: Wire.ANTHROPIC_COUNT_TOKENS,
    GEMINI: Wire.GEMINI_COUNT_TOKENS,
    RESPONSES: Wire.OPENAI_INPUT_TOKENS,
}
PAIRS = list(itertools.permutations(COUNTS, 2))
AS_MESSAGES: TypeAdapter[Any] = TypeAdapter(MessageCountTokensParams)
AS_RESPONSE: TypeAdapter[Any] = TypeAdapter(InputTokenCountParams)


def check(vendor: Dialect, body: dict[str, Any]) -> None:
    """Raise unless the vendor's SDK would send this, and nothing more."""
    if vendor is MESSAGES:
        AS_MESSAGES.validate_python(body)
        assert body.keys() <= MessageCountTokensParams.__annotations__.keys()
    elif vendor is RESPONSES:
        for item in body["input"]:
            # As elsewhere: what the vendor did not store has no id.
            item |= {"id": "rs_1"} if item["type"] == "reasoning" else {}
        AS_RESPONSE.validate_python(body)
        assert body.keys() <= InputTokenCountParams.__annotations__.keys()
    else:
        assert body.keys() == {"generateContentRequest"}
        assert body["generateContentRequest"].pop("model") == "models/m"
        of_google(body["generateContentRequest"])


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_a_question_for_a_count_is_of_the_vendors_own_types_or_refused(
    client: Dialect, vendor: Dialect, data: st.DataObject
) -> None:
    body = FORMATS[client].write_request(data.draw(conversations(client)), DESTINATION)
    is_spoilt = data.draw(st.booleans())
    asked = spoilt(body, data) if is_spoilt else body
    try:
        translated = CountTranslation(client=client, vendor=vendor).request(asked, DESTINATION)
    except RequestInvalid as refusal:
        assert str(refusal).endswith((".", "...}."))
        return
    check(vendor, json.loads(translated.body))
    read_as(COUNTS[vendor], translated.body, model="m", is_stream=False)
