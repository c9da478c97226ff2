-- Books a batch of outcomes in the name of an epoch and takes back what it has no use for. Returns the database's clock;
-- NULL when the epoch is not alive. Sent again with the same sequence it does nothing. An empty batch says "I live".
-- p_accounts are all accounts that the batch touches. p_late are outcomes of an epoch that was given up for lost.
-- Locks: worker, accounts ascending by id, leases, then as metering_book.
CREATE FUNCTION metering_flush(
    p_epoch bigint, p_sequence bigint, p_accounts bigint[], p_outcomes json, p_back_account bigint[],
    p_back_nano bigint[], p_late json
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_last bigint;
BEGIN
    SELECT last_sequence INTO v_last FROM metering_worker
     WHERE epoch = p_epoch AND state = 'alive' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF p_sequence > v_last THEN
        UPDATE metering_worker SET last_sequence = p_sequence, last_seen_at = clock_timestamp() WHERE epoch = p_epoch;
        PERFORM 1 FROM budgets_account WHERE id = ANY (p_accounts) ORDER BY id FOR NO KEY UPDATE;
        IF json_array_length(p_outcomes) > 0 THEN
            PERFORM metering_book(p_epoch, p_sequence, p_outcomes);
        END IF;
        PERFORM metering_book_late(p_epoch, p_sequence, late) FROM json_array_elements(p_late) AS late;
        PERFORM metering_give_back(p_epoch, p_back_account, p_back_nano);
    END IF;
    RETURN clock_timestamp();
END $$;

-- Books one outcome that comes after its epoch was given up, as a fact: what is booked already stays, what waits in
-- suspense is resolved. The caller has locked the accounts.
CREATE FUNCTION metering_book_late(p_epoch bigint, p_sequence bigint, p_outcome json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt uuid := (p_outcome->>'attempt_id')::uuid;
BEGIN
    IF EXISTS (SELECT FROM metering_attempt WHERE id = v_attempt) THEN
        IF p_outcome->>'ending' = 'settled' THEN
            PERFORM metering_resolve(v_attempt, p_outcome::jsonb);
        END IF;
    ELSIF NOT EXISTS (SELECT FROM ledger_usagerecord
                       WHERE attempt_id = v_attempt AND revision = 1
                         AND admitted_at = (p_outcome->>'admitted_at')::timestamptz) THEN
        PERFORM metering_book(p_epoch, p_sequence, json_build_array(p_outcome));
    END IF;
END $$;

-- Returns parts of leases to their accounts. The caller has locked the accounts.
CREATE FUNCTION metering_give_back(p_epoch bigint, p_account bigint[], p_nano bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH lease AS (
        UPDATE metering_lease l SET amount_nano = l.amount_nano - back.nano
          FROM unnest(p_account, p_nano) AS back (account, nano)
         WHERE l.epoch = p_epoch AND l.account_id = back.account
        RETURNING l.account_id, back.nano
    )
    UPDATE budgets_account a SET held_nano = a.held_nano - lease.nano FROM lease WHERE a.id = lease.account_id
$$;

-- Ends an epoch whose process is proved dead: by itself, on its way out, or by whoever read its journal under its lock.
-- p_outcomes is what the journal says: results that may not be booked yet, and intents without result as suspense.
-- What is booked or in suspense already is passed over; the rest of its leases is given back. Returns how many attempts
-- went to suspense. Replaying it changes nothing. An epoch that was given up for lost is recovered when its journal turns up.
CREATE FUNCTION metering_recover(p_epoch bigint, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_new     json;
    v_unknown integer;
BEGIN
    PERFORM 1 FROM metering_worker WHERE epoch = p_epoch AND state IN ('alive', 'fenced', 'lost') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = p_epoch;
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT account_id FROM metering_lease WHERE epoch = p_epoch)
         OR id IN (SELECT account::bigint FROM json_array_elements(p_outcomes) AS o,
                          json_array_elements_text(o->'account_ids') AS account)
      ORDER BY id FOR NO KEY UPDATE;
    SELECT coalesce(json_agg(o), '[]'), count(*) FILTER (WHERE o->>'ending' = 'suspense') INTO v_new, v_unknown
      FROM json_array_elements(p_outcomes) AS o
     WHERE o->>'ending' IN ('settled', 'suspense')
       AND NOT EXISTS (SELECT FROM ledger_usagerecord r
                        WHERE r.attempt_id = (o->>'attempt_id')::uuid AND r.revision = 1
                          AND r.admitted_at = (o->>'admitted_at')::timestamptz)
       AND NOT EXISTS (SELECT FROM metering_attempt t WHERE t.id = (o->>'attempt_id')::uuid);
    IF json_array_length(v_new) > 0 THEN
        PERFORM metering_book(p_epoch, NULL, v_new);
    END IF;
    PERFORM metering_give_back(p_epoch, array_agg(account_id), array_agg(amount_nano))
       FROM metering_lease WHERE epoch = p_epoch;
    DELETE FROM metering_lease WHERE epoch = p_epoch;
    RETURN v_unknown;
END $$;

-- Gives an epoch up whose journal is gone: nobody can prove what its leases paid for. They stay held, as suspense,
-- until somebody releases them by name. Returns the nano-USD that stay held on the account that holds most; NULL when
-- the epoch was ended before.
CREATE FUNCTION metering_lose(p_epoch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_most bigint;
BEGIN
    PERFORM 1 FROM metering_worker WHERE epoch = p_epoch AND state IN ('alive', 'fenced') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM metering_lease WHERE epoch = p_epoch AND amount_nano = 0;
    SELECT coalesce(max(amount_nano), 0) INTO v_most FROM metering_lease WHERE epoch = p_epoch;
    UPDATE metering_worker SET state = CASE WHEN v_most > 0 THEN 'lost' ELSE 'dead' END WHERE epoch = p_epoch;
    RETURN v_most;
END $$;

-- Gives back what a lost epoch still holds, by a person's word, which the caller records. Returns the number of leases.
CREATE FUNCTION metering_release_lost(p_epoch bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    PERFORM 1 FROM metering_worker WHERE epoch = p_epoch AND state = 'lost' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = p_epoch;
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT account_id FROM metering_lease WHERE epoch = p_epoch) ORDER BY id FOR NO KEY UPDATE;
    PERFORM metering_give_back(p_epoch, array_agg(account_id), array_agg(amount_nano))
       FROM metering_lease WHERE epoch = p_epoch;
    DELETE FROM metering_lease WHERE epoch = p_epoch;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

-- Books one attempt in suspense by a person's word, which the caller records. p_outcome is what `metering_book` takes,
-- without what the attempt itself says. Returns whether there was one.
CREATE FUNCTION metering_resolve(p_attempt uuid, p_outcome jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt metering_attempt;
BEGIN
    SELECT * INTO v_attempt FROM metering_attempt WHERE id = p_attempt;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM budgets_account WHERE id = ANY (v_attempt.account_ids) ORDER BY id FOR NO KEY UPDATE;
    DELETE FROM metering_attempt WHERE id = p_attempt;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM metering_book(v_attempt.epoch, NULL, json_build_array(
        p_outcome || to_jsonb(v_attempt) || jsonb_build_object(
            'attempt_id', v_attempt.id, 'reserved_nano', v_attempt.held_nano, 'leased_nano', 0,
            'held_apart_nano', v_attempt.held_nano)));
    RETURN true;
END $$;
