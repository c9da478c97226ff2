"""A version that grows with every change of what the gateway's snapshot is made of, and a notice of each change."""

from django.db import migrations

_TABLES = (
    "teams_organisation", "teams_businessunit", "teams_team", "connections_connection",
    "connections_sealedcredential", "catalog_languagemodel", "catalog_deployment", "catalog_modelalias",
    "catalog_aliastarget", "catalog_pricebook", "catalog_price", "budgets_budget", "policy_accessgroup",
    "policy_allowrule",
)
_FUNCTIONS = """
    CREATE TABLE policy_version (version bigint NOT NULL);
    CREATE UNIQUE INDEX policy_version_is_one_row ON policy_version ((true));
    INSERT INTO policy_version VALUES (1);

    CREATE FUNCTION policy_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    BEGIN
        UPDATE policy_version SET version = version + 1;
        PERFORM pg_notify('bursar_policy', 'policy');
        RETURN NULL;
    END $$;
    CREATE FUNCTION policy_key_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    DECLARE
        changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
    BEGIN
        UPDATE policy_version SET version = version + 1;
        PERFORM pg_notify('bursar_policy', 'key:' || (changed ->> TG_ARGV[0]));
        RETURN NULL;
    END $$;
    CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE ON keys_virtualkey
        FOR EACH ROW EXECUTE FUNCTION policy_key_changed('id');
    CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE ON keys_keysecret
        FOR EACH ROW EXECUTE FUNCTION policy_key_changed('key_id');
"""
_TRIGGER = """
    CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("budgets", "0001_initial"), ("catalog", "0001_initial"), ("connections", "0001_initial"),
        ("keys", "0001_initial"), ("policy", "0001_initial"), ("teams", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL(_FUNCTIONS, migrations.RunSQL.noop),
        *(migrations.RunSQL(_TRIGGER.format(table=table), migrations.RunSQL.noop) for table in _TABLES),
    ]
