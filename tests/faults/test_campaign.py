"""A short campaign with real processes: nothing overspent, nothing lost, every cost as the vendor has it (P1, P2).

`make faults` is the long one. The seed is printed; FAULT_SEED repeats it.
"""

import os
import random
from collections import Counter

import psycopg

from tests.faults.campaign import Campaign, prepared_campaign
from tests.faults.checker import check_settled
from tests.faults.host import open_host
from tests.faults.settings import Settings
from tests.faults.strikes import Strike
from tests.faults.watch import overspend_nano, read_books


async def test_a_machine_that_is_struck_while_it_works_overspends_nothing_and_loses_nothing() -> None:
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"FAULT_SEED={seed}")
    strikes = {Strike.KILL: 3, Strike.SHORT_FREEZE: 1, Strike.RESTART: 1}
    settings = Settings(seed=seed, strikes=strikes, calls=250, gateways=2, clients_per_key=1)
    with open_host(gateways=settings.gateways, is_durable=False) as host, prepared_campaign(host, settings) as campaign:
        result = await campaign.run()
        assert (result.overspend_nano, result.lost, result.violations) == (0, [], []), host.log_tail()
        assert result.strikes >= Counter(strikes)
        assert result.calls >= settings.calls
        assert result.events >= result.calls
        assert result.samples > 0
        assert result.answers["200"] > 0
        _damage_is_seen(campaign)


def _damage_is_seen(campaign: Campaign) -> None:
    """The same checks, on the same books, complain as soon as somebody tampers with them."""
    books = read_books(campaign.owner_url)
    (tampered, *_) = [record for record in books.records if record.charge_nano]
    limit = max(campaign.scene.limits.values())
    with psycopg.connect(campaign.owner_url) as owner:
        owner.execute("UPDATE budgets_account SET held_nano = %s WHERE id = %s", (limit, books.balances[0].account_id))
    with psycopg.connect(campaign.host.server.url(database="bursar")) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM ledger_usagerecord WHERE attempt_id = %s", (tampered.attempt_id,))
    findings = check_settled(campaign.invoice.lines, read_books(campaign.owner_url), campaign.scene)
    assert any(tampered.call in sentence for sentence in findings.lost)
    assert findings.violations != []
    assert overspend_nano(campaign.owner_url) > 0
