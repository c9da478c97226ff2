-- Epochs: one incarnation of a gateway process. alive -> fenced -> dead, or alive | fenced -> lost.
DROP FUNCTION metering_reserve(bigint, bigint[], bigint, bigint, json);
DROP FUNCTION metering_flush(bigint, bigint, json);
DROP FUNCTION metering_book(bigint, bigint, json);
DROP FUNCTION metering_resolve(json);
DROP FUNCTION metering_recover(bigint);
DROP FUNCTION metering_open_ledger_accounts(uuid[]);

-- Every grant and every flush changes a few leases: leave room for heap-only updates.
ALTER TABLE metering_lease SET (fillfactor = 50);
ALTER TABLE metering_worker SET (fillfactor = 50);

-- Fences the epochs that were not seen for so many seconds: their grants and flushes fail from now on, and nothing of
-- theirs is released. Their processes may live (stopped, cut off): a process that finds itself fenced succeeds itself.
CREATE FUNCTION metering_fence(p_seconds double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    UPDATE metering_worker SET state = 'fenced'
     WHERE epoch IN (SELECT epoch FROM metering_worker
                      WHERE state = 'alive' AND last_seen_at < clock_timestamp() - make_interval(secs => p_seconds)
                        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

-- Gives a fenced epoch's leases to a new epoch of the same process. Only the process itself may ask, which its lock,
-- still held, allows: nobody else can have taken it for dead. NULL when the epoch is not fenced.
CREATE FUNCTION metering_succeed(p_epoch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_worker metering_worker;
    v_epoch  bigint;
BEGIN
    SELECT * INTO v_worker FROM metering_worker WHERE epoch = p_epoch AND state = 'fenced' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = p_epoch;
    INSERT INTO metering_worker (host, lock_name, process_id)
    VALUES (v_worker.host, v_worker.lock_name, v_worker.process_id) RETURNING epoch INTO v_epoch;
    UPDATE metering_lease SET epoch = v_epoch WHERE epoch = p_epoch;
    RETURN v_epoch;
END $$;

-- What the books know of an epoch, for a process that lost an answer: its state, the last flush that was booked, and
-- its leases as {account: nano-USD}.
CREATE FUNCTION metering_standing(p_epoch bigint) RETURNS TABLE (state text, last_sequence bigint, leases json)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.state, w.last_sequence,
           (SELECT coalesce(json_object_agg(l.account_id, l.amount_nano), '{}')
              FROM metering_lease l WHERE l.epoch = w.epoch)
      FROM metering_worker w WHERE w.epoch = p_epoch
$$;
