-- Usage records, one row per attempt and revision, partitioned by day of admission (UTC).
CREATE TABLE ledger_usagerecord (
    attempt_id              uuid        NOT NULL,
    revision                smallint    NOT NULL,
    admitted_at             timestamptz NOT NULL,
    settled_at              timestamptz NOT NULL,
    request_id              uuid        NOT NULL,
    entry_id                bigint,
    epoch                   bigint      NOT NULL,
    organisation_id         bigint      NOT NULL,
    unit_id                 bigint      NOT NULL,
    cost_centre_id          bigint      NOT NULL,
    team_id                 bigint      NOT NULL,
    key_id                  bigint      NOT NULL,
    user_id                 bigint,
    model_id                bigint      NOT NULL,
    deployment_id           bigint      NOT NULL,
    connection_id           bigint      NOT NULL,
    alias                   text        NOT NULL,
    wire                    text        NOT NULL,
    served_model            text,
    service_tier            text        NOT NULL,
    is_stream               boolean     NOT NULL,
    is_estimated            boolean     NOT NULL,
    outcome                 text        NOT NULL,
    http_status             smallint    NOT NULL,
    input_tokens            bigint      NOT NULL,
    output_tokens           bigint      NOT NULL,
    classes                 text[]      NOT NULL,
    quantities              bigint[]    NOT NULL,
    price_ids               bigint[]    NOT NULL,
    costs_nano              numeric[]   NOT NULL,
    cost_nano               numeric     NOT NULL,
    charge_nano             bigint      NOT NULL,
    reserved_nano           bigint      NOT NULL,
    vendor_cost_nano        numeric,
    rating_rule             smallint    NOT NULL,
    account_ids             bigint[]    NOT NULL,
    tags                    jsonb       NOT NULL,
    raw_usage               jsonb,
    first_byte_milliseconds integer,
    total_milliseconds      integer     NOT NULL,
    PRIMARY KEY (attempt_id, revision, admitted_at),
    CONSTRAINT a_charge_is_the_ceiling_of_its_cost CHECK (charge_nano = ceil(cost_nano)),
    CONSTRAINT rated_lines_run_in_parallel CHECK (
        cardinality(classes) = cardinality(quantities)
        AND cardinality(classes) = cardinality(price_ids)
        AND cardinality(classes) = cardinality(costs_nano)
    )
) PARTITION BY RANGE (admitted_at);

CREATE INDEX usage_records_by_time ON ledger_usagerecord (admitted_at DESC, attempt_id DESC);
CREATE INDEX usage_records_by_team ON ledger_usagerecord (team_id, admitted_at DESC);
CREATE INDEX usage_records_by_key ON ledger_usagerecord (key_id, admitted_at DESC);
CREATE INDEX usage_records_by_entry ON ledger_usagerecord (entry_id);

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are never changed or deleted: book a correction.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER usage_record_is_append_only BEFORE UPDATE OR DELETE ON ledger_usagerecord
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- Catches what no daily partition takes, so that a late partition never loses a record.
CREATE TABLE ledger_usagerecord_default PARTITION OF ledger_usagerecord DEFAULT;
CREATE TRIGGER usage_record_is_not_truncated BEFORE TRUNCATE ON ledger_usagerecord_default
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER usage_record_is_not_truncated BEFORE TRUNCATE ON ledger_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Creates the daily partitions from today to today + p_days_ahead. A day that the default partition already
-- holds rows of is left there. Returns how many were made.
CREATE FUNCTION ledger_make_partitions(p_days_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_today date := (now() AT TIME ZONE 'UTC')::date;
    v_day   date;
    v_name  text;
    v_from  timestamptz;
    v_made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_make_partitions'));
    FOR v_day IN SELECT v_today + step FROM generate_series(0, p_days_ahead) AS step LOOP
        v_name := 'ledger_usagerecord_p' || to_char(v_day, 'YYYYMMDD');
        v_from := v_day::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT 1 FROM ledger_usagerecord_default
             WHERE admitted_at >= v_from AND admitted_at < v_from + interval '1 day');
        EXECUTE format('CREATE TABLE %I PARTITION OF ledger_usagerecord FOR VALUES FROM (%L) TO (%L)',
                       v_name, v_from, v_from + interval '1 day');
        EXECUTE format('CREATE TRIGGER usage_record_is_not_truncated BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', v_name);
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END $$;

SELECT ledger_make_partitions(7);

-- An entry's postings must sum to zero when its transaction commits.
CREATE FUNCTION ledger_check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_sum numeric;
BEGIN
    SELECT coalesce(sum(amount_nano), 0) INTO v_sum FROM ledger_posting WHERE entry_id = NEW.entry_id;
    IF v_sum <> 0 THEN
        RAISE EXCEPTION 'Entry % does not balance: its postings sum to % nano-USD.', NEW.entry_id, v_sum
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER an_entry_balances AFTER INSERT ON ledger_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_balance();

CREATE INDEX postings_by_entry ON ledger_posting (entry_id) INCLUDE (amount_nano);

-- The accounting month a fact of this local month is booked in: itself while open, else the next open one.
CREATE FUNCTION ledger_open_month(p_organisation bigint, p_month date) RETURNS date
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_month date := p_month;
BEGIN
    WHILE EXISTS (SELECT 1 FROM ledger_accountingperiod
                   WHERE organisation_id = p_organisation AND month = v_month) LOOP
        v_month := (v_month + interval '1 month')::date;
    END LOOP;
    RETURN v_month;
END $$;
