-- INSERT ... SELECT of the same evidence
\set statement 'INSERT INTO evidence (table_schema, table_name, row_key, operation, system, role, application_name, outcome, columns, stored) SELECT \'public\', \'t\', jsonb_build_object(\'id\', id), \'DELETE\', \'pim\', current_user, current_setting(\'application_name\'), \'discarded\', \'{id}\', jsonb_build_object(\'id\', id::text) FROM t'
