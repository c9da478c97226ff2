DROP FUNCTION ledger_mend_day_sums(date);
DROP FUNCTION ledger_roll_day_sums();
DROP FUNCTION ledger_sums_of_days(timestamptz, timestamptz, timestamptz);
DROP INDEX usage_records_by_settlement;
DROP TABLE ledger_daysumprogress, ledger_daysum;
