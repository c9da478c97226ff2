"""A process that reserves and books as a gateway does, until it is killed. Its argument is a JSON file.

Before it "calls the vendor" it appends one line with the attempt and its true cost to its own file: that file is what
the vendor would put on the invoice.
"""

import asyncio
import json
import os
import random
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from governance.budgets.hot import BudgetPolicy
from governance.catalog.rating import Rated, RatedLine
from governance.core.errors import BudgetExceeded, BudgetHeld, GovernanceUnavailable
from governance.core.windows import Window, WindowKind
from governance.metering.attempt import Attribution, Claim, Ending, Outcome
from governance.metering.leased import LeasedBooks
from governance.plugin.usage import TokenClass, Usage


def settled(cost: int) -> Outcome:
    line = RatedLine(TokenClass.INPUT, 1, None, Decimal(cost))
    return Outcome(
        ending=Ending.SETTLED,
        reason="ok",
        http_status=200,
        usage=Usage(input_tokens=1, output_tokens=0),
        rated=Rated(lines=(line,), cost_nano=Decimal(cost), charge_nano=cost, is_assumed=False),
    )


async def one_caller(books: LeasedBooks, config: dict[str, Any], invoice: int, chance: random.Random) -> None:
    attribution = Attribution(**config["attribution"])
    budgets = tuple(
        BudgetPolicy(id=number, name="b", scope="s", window=Window(kind=WindowKind.MONTH), is_hard=True)
        for number in config["budgets"]
    )
    while True:
        want = chance.randint(1, 1_000)
        claim = Claim(
            attempt_id=uuid4(),
            request_id=uuid4(),
            attribution=attribution,
            budgets=budgets,
            want_nano=want,
            least_nano=want,
        )
        try:
            hold = await books.reserve(claim)
        except (BudgetExceeded, BudgetHeld, GovernanceUnavailable):
            await asyncio.sleep(0.02)
            continue
        cost = chance.randint(0, want)
        os.write(invoice, f"{hold.attempt_id} {cost}\n".encode())
        await asyncio.sleep(chance.random() * 0.01)
        books.book(hold, settled(cost))


async def main(config: dict[str, Any]) -> None:
    invoice = os.open(config["invoice"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chance = random.Random(config["seed"])  # the seed is printed by the campaign, so that a run can be repeated
    async with AsyncConnectionPool(
        config["url"], min_size=2, max_size=4, kwargs={"autocommit": True}, timeout=5
    ) as pool:
        books = LeasedBooks(
            pool=pool,
            listen=lambda: AsyncConnection.connect(config["url"], autocommit=True),
            host="here",
            folder=Path(config["locks"]),
            monotonic=time.monotonic,
        )
        await books.open()
        print("open", flush=True)
        await asyncio.gather(*(one_caller(books, config, invoice, chance) for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
