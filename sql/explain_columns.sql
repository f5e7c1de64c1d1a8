-- explain(relation, row_key, system): what may be written here, one row a column.
CREATE EXTENSION ownership;
\pset null -
SET client_min_messages = warning;
SELECT ownership.add_system(name, 'other') FROM unnest('{erp,shop,pim}'::text[]) name;
CREATE ROLE regress_ec_erp;
CREATE ROLE regress_ec_pim;
CREATE ROLE regress_ec_steward;
CREATE ROLE regress_ec_carrier;
CREATE ROLE regress_ec_reader;
SELECT ownership.identify('erp', role => 'regress_ec_erp');
SELECT ownership.identify('pim', role => 'regress_ec_pim');
SELECT ownership.identify(NULL, role => 'regress_ec_steward', steward => true);
SELECT ownership.identify(NULL, role => 'regress_ec_carrier', carrier => true);
CREATE TABLE orders (id int PRIMARY KEY, region text, status text, title text, gone int, total numeric,
	double numeric GENERATED ALWAYS AS (total * 2) STORED, note text, blank text, line text, city text, "Odd name" text);
ALTER TABLE orders DROP COLUMN gone;
SELECT ownership.assign('orders', '{id,status,total}', 'erp');
SELECT ownership.assign('orders', '{title}', 'pim', policy => 'keep');
SELECT ownership.assign('orders', '{blank}', 'pim', policy => 'fill');
SELECT ownership.assign('orders', '{line,city}', 'pim', policy => 'fill', column_group => 'address');
SELECT ownership.assign('orders', '{"Odd name"}', NULL);
SELECT ownership.assign_rows('orders', '{status}', 'shop', $$region = 'web'$$);
SET ownership.enforcement = off;
INSERT INTO orders (id, region, status, title, total, blank, line, city)
	VALUES (1, 'web', 'new', 't', 1, ' ', NULL, 'Ulm'), (2, 'eu', 'new', 't', 2, 'x', NULL, '');
RESET ownership.enforcement;
GRANT USAGE ON SCHEMA ownership TO PUBLIC;
GRANT SELECT ON orders TO regress_ec_erp, regress_ec_pim, regress_ec_steward, regress_ec_carrier;

-- For all rows, in the order of the table; what is dropped is not there
SELECT * FROM ownership.explain('orders', system => 'erp');
-- In one row: row owners, blanks, groups
SELECT column_name, allowed, outcome, owner FROM ownership.explain('orders', row_key => '{"id": 1}', system => 'erp');
SELECT column_name, allowed, outcome, owner FROM ownership.explain('orders', row_key => '{"id": 2}', system => 'erp');
SELECT column_name, allowed, outcome, owner FROM ownership.explain('orders', '{"id": 1}'::jsonb, 'shop');

-- The writer is that of the session: a system, nobody, a steward
SET ROLE regress_ec_pim;
SELECT column_name, allowed, outcome FROM ownership.explain('orders') WHERE column_name IN ('title', 'total');
SET ROLE regress_ec_steward;
SELECT column_name, allowed, outcome FROM ownership.explain('orders') WHERE column_name IN ('title', 'total');
RESET ROLE;
SELECT column_name, allowed, outcome FROM ownership.explain('orders') WHERE column_name IN ('title', 'total');

-- A carrier writes as the source of the table
CREATE TABLE landing (id int PRIMARY KEY, title text);
SELECT ownership.add_tables('public.landing', 'shop');
SELECT ownership.assign('landing', '{title}', 'pim');
GRANT SELECT ON landing TO regress_ec_carrier;
SET ROLE regress_ec_carrier;
SELECT column_name, allowed, reason FROM ownership.explain('landing');
SELECT allowed, reason FROM ownership.explain('landing', 'title');
SELECT allowed, reason FROM ownership.explain('orders', 'title');
RESET ROLE;

-- Pins: the system of record may not change what is pinned
SELECT ownership.pin('orders', '{"id": 1}', 'title');
SELECT column_name, allowed, outcome FROM ownership.explain('orders', row_key => '{"id": 1}', system => 'pim') WHERE column_name IN ('title', 'blank');
SELECT column_name, allowed, outcome FROM ownership.explain('orders', row_key => '{"id": 2}', system => 'pim') WHERE column_name IN ('title', 'blank');

-- All columns say what each of them says
CREATE FUNCTION differs(relation regclass, key jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s %s: %s is not %s', s.name, e.column_name, e, o)
	FROM (VALUES ('erp'), ('shop'), ('pim'), (NULL)) s(name),
		ownership.explain(relation, key, s.name) e, ownership.explain(relation, e.column_name, s.name, key) o
	WHERE (e.allowed, e.outcome, e.owner, e.policy, e.reason) IS DISTINCT FROM (o.allowed, o.outcome, o.owner, o.policy, o.reason)
$$;
SELECT differs('orders', key) FROM (VALUES (NULL::jsonb), ('{"id": 1}'), ('{"id": 2}')) k(key);

-- A table that is not on the map; the settings count
CREATE TABLE stranger (a int, b int);
SELECT * FROM ownership.explain('stranger');
SET ownership.enforcement = observe;
SELECT column_name, allowed, outcome FROM ownership.explain('orders', system => 'erp') WHERE column_name = 'title';
RESET ownership.enforcement;

-- Partitions with columns in another order, of which one is a foreign table
CREATE TABLE part (id int, region text, v text, w text) PARTITION BY LIST (region);
CREATE TABLE part_a (w text, v text, region text NOT NULL, id int);
ALTER TABLE part ATTACH PARTITION part_a FOR VALUES IN ('a');
CREATE EXTENSION file_fdw;
CREATE SERVER ec FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE part_f (region text NOT NULL, id int, w text, v text) SERVER ec OPTIONS (program 'printf "f,2,,y\nf,3,x,z\n"', format 'csv');
ALTER TABLE part ATTACH PARTITION part_f FOR VALUES IN ('f');
INSERT INTO part VALUES (1, 'a', 'x', NULL);
SELECT ownership.assign('part', '{id,region,v}', 'erp', policy => 'reject');
SELECT ownership.assign('part', '{w}', 'erp', policy => 'fill');
SELECT ownership.assign_rows('part', '{v}', 'shop', $$v <> 'z'$$);
SELECT id, column_name, allowed, outcome, owner FROM generate_series(1, 3) id, ownership.explain('part', jsonb_build_object('id', id), 'shop') WHERE column_name IN ('v', 'w') ORDER BY 1, 2;
SELECT id, allowed, owner FROM generate_series(1, 3) id, ownership.explain('part', 'v', 'shop', jsonb_build_object('id', id)) ORDER BY 1;
SELECT differs('part', jsonb_build_object('id', id)) FROM generate_series(1, 3) id;
SELECT column_name, owner FROM ownership.explain('part_f', row_key => '{"id": 2}', system => 'shop') WHERE column_name = 'v';

-- A change of this statement's own transaction is seen
BEGIN;
SET LOCAL ownership.enforcement = off;
UPDATE orders SET region = 'eu' WHERE id = 1;
SELECT column_name, owner FROM ownership.explain('orders', row_key => '{"id": 1}', system => 'erp') WHERE column_name = 'status';
ROLLBACK;
-- and so is one of a statement that calls it in the middle
CREATE FUNCTION region_then(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE orders SET region = $1 WHERE id = 2;
	RETURN (SELECT owner FROM ownership.explain('orders', row_key => '{"id": 2}', system => 'erp') WHERE column_name = 'status');
END $$;
SELECT region_then('web'), region_then('eu'), region_then('web');

-- Every call of the released function is still one of it
SELECT outcome FROM ownership.explain('orders', 'title');
SELECT outcome FROM ownership.explain('orders', 'title', 'erp');
SELECT outcome FROM ownership.explain('orders', 'title', NULL);
SELECT outcome FROM ownership.explain('orders', 'title', 'erp', '{"id": 1}');
SELECT outcome FROM ownership.explain('orders', 'title', 'erp', NULL);
SELECT outcome FROM ownership.explain('orders', 'title', NULL, '{"id": 1}');
SELECT outcome FROM ownership.explain('orders', 'title', system => 'erp');
SELECT outcome FROM ownership.explain('orders', 'title', row_key => '{"id": 1}');
SELECT outcome FROM ownership.explain('orders', 'title', row_key => '{"id": 1}', system => 'erp');
SELECT outcome FROM ownership.explain('orders', column_name => 'title');
SELECT outcome FROM ownership.explain(relation => 'orders', column_name => 'title');
SELECT outcome FROM ownership.explain(relation => 'orders', column_name => 'title', system => 'erp', row_key => '{"id": 1}');
SELECT outcome FROM ownership.explain(column_name => 'title', relation => 'orders', system => NULL);
SELECT outcome FROM ownership.explain('orders'::regclass, 'title'::name);
SELECT outcome FROM ownership.explain('orders'::text, 'title'::text, 'erp'::text, '{"id": 1}'::jsonb);
SELECT outcome FROM ownership.explain('orders'::regclass::oid, 'title'::varchar, 'erp'::name);
SELECT a.attname, (ownership.explain(a.attrelid, a.attname)).outcome FROM pg_attribute a WHERE a.attrelid = 'orders'::regclass AND a.attname = 'title';
SELECT (ownership.explain('orders', 'title')).outcome;
SELECT (ownership.explain('orders', 'title')).*;
SELECT ownership.explain(NULL, 'title');
SELECT ownership.explain('orders', NULL);
PREPARE untyped AS SELECT outcome FROM ownership.explain($1, $2, $3, $4);
EXECUTE untyped ('orders', 'title', 'erp', '{"id": 1}');
PREPARE two AS SELECT outcome FROM ownership.explain($1, $2);
EXECUTE two ('orders', 'title');
-- and those of the new one
SELECT count(*) FROM ownership.explain('orders');
SELECT count(*) FROM ownership.explain(relation => 'orders');
SELECT count(*) FROM ownership.explain('orders', '{"id": 1}'::jsonb);
SELECT count(*) FROM ownership.explain('orders', jsonb_build_object('id', 1), 'erp');
SELECT count(*) FROM ownership.explain('orders', row_key => '{"id": 1}');
SELECT count(*) FROM ownership.explain('orders', row_key => NULL, system => NULL);
SELECT count(*) FROM ownership.explain('orders', system => 'erp');
SELECT count(*) FROM ownership.explain(NULL);

-- Errors
\set VERBOSITY default
SELECT * FROM ownership.explain('orders', '{"id": 1}');
SELECT * FROM ownership.explain('orders', row_key => '{"id": 9}');
SELECT * FROM ownership.explain('orders', row_key => '{"status": "new"}');
SELECT * FROM ownership.explain('orders', row_key => '{}');
SELECT * FROM ownership.explain('orders', row_key => '[1]');
SELECT * FROM ownership.explain('orders', row_key => '{"nokey": 1}');
SELECT * FROM ownership.explain('orders', row_key => '{"id": null}');
SELECT * FROM ownership.explain('orders', system => 'nobody');
SELECT * FROM ownership.explain(0);
CREATE VIEW a_view AS SELECT 1 AS a;
SELECT * FROM ownership.explain('a_view');

-- Without row_key it says what the map says; a row is read as its caller may
SET ROLE regress_ec_reader;
SELECT count(*), count(reason) FROM ownership.explain('orders');
SELECT count(*) FROM ownership.explain('orders', row_key => '{"id": 1}');
RESET ROLE;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY a_policy ON orders FOR SELECT TO regress_ec_pim USING (id = 2);
SET ROLE regress_ec_pim;
SELECT count(*) FROM ownership.explain('orders', row_key => '{"id": 1}');
SELECT count(*) FROM ownership.explain('orders', row_key => '{"id": 2}');
RESET ROLE;

DROP EXTENSION file_fdw CASCADE;
DROP TABLE orders, landing, part, stranger;
DROP VIEW a_view;
DROP FUNCTION differs, region_then;
DROP EXTENSION ownership CASCADE;
DROP ROLE regress_ec_erp, regress_ec_pim, regress_ec_steward, regress_ec_carrier, regress_ec_reader;
