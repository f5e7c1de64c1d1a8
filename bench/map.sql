-- A map of some size. Variable: tables, of ten columns each: one half landing
-- tables of four systems, one half shared by all. Like a map in use, it has
-- gaps: one field in twenty has no owner, one in ten has declared writers, one
-- table in fifty is not guarded, and one in ten has a column that is not mapped.
SELECT set_config('bench.tables', :'tables', false);
SELECT ownership.add_system(s, 'other') FROM unnest('{crm,shop,wms}'::text[]) s;
CREATE SCHEMA hub;
CREATE SCHEMA erp;
CREATE SCHEMA pim;
CREATE SCHEMA crm;
CREATE SCHEMA shop;
DO $$ BEGIN
	FOR i IN 1..current_setting('bench.tables')::int LOOP
		EXECUTE format('CREATE TABLE %s.%I (id int PRIMARY KEY, price numeric(10,2), cost numeric(10,2), stock int,
			title text, color text, size text, note text, changed_at timestamptz, active boolean)',
			CASE WHEN i % 2 = 0 THEN 'hub' ELSE ('{erp,pim,crm,shop}'::text[])[1 + i / 2 % 4] END, 'table_' || i);
	END LOOP;
END $$;
UPDATE ownership.domain SET policy = CASE name WHEN 'price' THEN 'reject' ELSE 'keep' END WHERE name IN ('price', 'content');
SELECT ownership.add_tables(s || '.*', source => s, readers => '{shop,wms}') FROM unnest('{erp,pim,crm,shop}'::text[]) s;
SELECT ownership.add_tables('hub.*', owner => 'erp', readers => '{crm,shop,wms}');
UPDATE ownership.field SET
	owner = CASE WHEN hashtext(entity || name) % 20 = 0 THEN NULL WHEN entity LIKE 'hub.%' AND name IN ('title', 'color', 'size') THEN 'pim' ELSE owner END,
	domain = CASE name WHEN 'price' THEN 'price' WHEN 'cost' THEN 'price' WHEN 'title' THEN 'content' WHEN 'note' THEN 'content' END,
	policy = CASE WHEN name = 'stock' THEN 'observe' END,
	rationale = CASE WHEN hashtext(name || entity) % 3 = 0 THEN 'Decided in the workshop; ' || entity || ' follows.' END,
	decided_by = CASE WHEN hashtext(name || entity) % 3 = 0 THEN 'architecture board' END,
	decided_on = CASE WHEN hashtext(name || entity) % 3 = 0 THEN date '2026-01-01' END;
INSERT INTO ownership.declared_access
SELECT entity, name, (ARRAY['crm', 'shop'])[1 + abs(hashtext(entity)) % 2], 'write' FROM ownership.field WHERE hashtext(entity || name || 'w') % 10 = 0;
SELECT format('ALTER TABLE %I.%I ADD imported_at timestamptz', table_schema, table_name) FROM ownership.mirrored_table WHERE hashtext(table_name) % 10 = 0 \gexec
SELECT ownership.unguard(format('%I.%I', table_schema, table_name)) FROM ownership.mirrored_table WHERE hashtext(table_name) % 50 = 0;
VACUUM ANALYZE;
