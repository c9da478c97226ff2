"""A trigger for tables whose rows are only ever added."""

import pgtrigger


def append_only(name: str) -> pgtrigger.Trigger:
    """Return a trigger that rejects UPDATE, DELETE and TRUNCATE for every role, whatever rows they would touch."""
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete | pgtrigger.Truncate,
        func="RAISE EXCEPTION 'Rows of % are only ever added: append a correction instead.', TG_TABLE_NAME;",
    )
