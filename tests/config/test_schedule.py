"""What runs when: every entry of the schedule names a task that exists."""

from celery.schedules import crontab

from governance.config.celery import app


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= set(app.tasks)


def test_finance_and_alerts_are_scheduled() -> None:
    schedule = {entry["task"].rpartition(".")[2]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    assert schedule["watch_budgets"] == schedule["deliver_alerts"] == 60.0
    assert schedule["look_at_jobs"] == 15.0
    assert schedule["prove_ledger_nightly"] == crontab(hour=2, minute=20)
    assert schedule["write_due_statements"] == crontab(minute=10)
    assert schedule["compare_vendor_costs"] == crontab(minute=25)
    assert schedule["keep_prompts_in_order"] == crontab(hour=0, minute=50)
    assert schedule["make_coming_partitions"] == crontab(hour=0, minute=40)
    assert (schedule["sum_up_days"], schedule["prove_day_sums"]) == (60.0, crontab(hour=1, minute=10))
