-- Copies of which one is a text: it is read as a value of the other's type.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE SCHEMA erp;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('shop', 'storefront'), ownership.identify(NULL, role => current_user::text, steward => true); END $$;

--
-- A landing table of texts, as connectors fill it, and a table with types; both on the map before they are linked.
--
CREATE TABLE erp.item (sku text PRIMARY KEY, price text, active text, since text, seen text, ref text, stock text);
CREATE TABLE product (sku text PRIMARY KEY, price numeric(12,3), active boolean, since date, seen timestamptz, ref uuid, stock int);
INSERT INTO erp.item SELECT 'S' || i, '0.1', 'yes', '2026-01-02', '2026-01-02 03:04:05+02', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '42.0' FROM generate_series(1, 3000) i;
INSERT INTO product SELECT 'S' || i, 0.100, true, '2026-01-02', '2026-01-02 01:04:05+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 42 FROM generate_series(1, 3000) i;
DO $$ BEGIN
	PERFORM ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('product', owner => 'erp');
	PERFORM ownership.link(format('product.%s', c), ARRAY[format('erp.item.%s', c)], authoritative => format('erp.item.%s', c)) FROM unnest('{sku,price,active,since,seen,ref,stock}'::text[]) c;
END $$;
SET datestyle = 'German';
SET timezone = 'America/New_York';
SELECT field, rows_compared, rows_differing, problem FROM ownership.drift_summary('product.*') ORDER BY field;
SELECT count(*) FROM ownership.risks WHERE risk = 'drifting';
SELECT c, ownership.reconcile('product.' || c) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;

--
-- What differs is made to agree; what cannot be read differs, is said, and is left as it is.
--
SET ownership.enforcement = off;
UPDATE erp.item SET price = '1,5', active = 'maybe', since = '2026-02-30', seen = 'yesterday evening', ref = '', stock = '7.5' WHERE sku = 'S1';
UPDATE erp.item SET price = ' 2.50 ', active = 'off', since = '20260304', seen = '2026-03-04', ref = '{A0EEBC999C0B4EF8BB6D6BB9BD380A12}', stock = '1e2' WHERE sku = 'S2';
UPDATE erp.item SET price = 'NaN', active = NULL, since = 'infinity', seen = NULL, ref = NULL, stock = '-7.00' WHERE sku = 'S3';
UPDATE erp.item SET price = '123456789012345678901234567890.1', stock = '99999999999' WHERE sku = 'S4';
RESET ownership.enforcement;
SET client_min_messages = notice;
SELECT row_key ->> 'sku' AS sku, column_name, source_value, copy_value FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c, ownership.drift('product.' || c) ORDER BY 1, 2;
SELECT field, rows_compared, rows_differing, problem FROM ownership.drift_summary('product.*') ORDER BY field;
SELECT severity, field, detail FROM ownership.risks WHERE risk = 'drifting' ORDER BY field;
SELECT place, event, value, detail FROM ownership.why('product.price', '{"sku": "S1"}') WHERE event IN ('answer', 'value');
SELECT c, ownership.reconcile('product.' || c, true) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;
SELECT c, ownership.reconcile('product.' || c) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;
SELECT * FROM product WHERE sku IN ('S1', 'S2', 'S3', 'S4') ORDER BY sku;
SELECT c, ownership.reconcile('product.' || c) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;
SET client_min_messages = warning;
SELECT row_key ->> 'sku' AS sku, column_name, source_value, copy_value FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c, ownership.drift('product.' || c) ORDER BY 1, 2;

--
-- The other way round: the copy is a text.  The owner writes the text of the value, whatever the settings, once.
--
UPDATE ownership.mirrored_column SET authoritative = false;
UPDATE ownership.mirrored_table SET source = CASE table_name WHEN 'product' THEN 'erp' END;
DELETE FROM erp.item WHERE sku NOT IN ('S1', 'S2', 'S3', 'S5', 'S6');
UPDATE erp.item SET price = '0.10', active = 'TRUE', since = '2026-01-02', seen = '2026-01-02T03:04:05+02:00', ref = lower(ref), stock = '42' WHERE sku = 'S5';
GRANT USAGE ON SCHEMA erp TO regress_erp;
GRANT ALL ON erp.item, product TO regress_erp;
UPDATE ownership.field SET policy = 'reject';
SET ROLE regress_erp;
SELECT c, ownership.reconcile('product.' || c) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;
TABLE erp.item ORDER BY sku;
SELECT c, ownership.reconcile('product.' || c) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c;
SELECT count(*) FROM unnest('{price,active,since,seen,ref,stock}'::text[]) c, ownership.drift('product.' || c);
RESET ROLE;
SELECT count(*) FROM ownership.conflict WHERE operation = 'UPDATE' AND role = 'regress_erp';
RESET datestyle;
RESET timezone;

--
-- Neither case nor blanks are made alike, unless the type does; char(n) ignores blanks at the end.
--
DROP TABLE erp.item, product;
DO $$ BEGIN DELETE FROM ownership.field; DELETE FROM ownership.mirrored_table; DELETE FROM ownership.mirrored_pattern; END $$;
CREATE TABLE a (k int PRIMARY KEY);
CREATE TABLE c (k int PRIMARY KEY);
INSERT INTO a SELECT generate_series(1, 4);
INSERT INTO c SELECT generate_series(1, 4);
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('t', 'k', 'erp', true), ('t', 'v', 'erp', false);
INSERT INTO ownership.mirrored_table VALUES ('public', 'a', NULL, NULL), ('public', 'c', NULL, NULL);
INSERT INTO ownership.mirrored_column VALUES ('public', 'a', 'k', 't', 'k', false), ('public', 'c', 'k', 't', 'k', false), ('public', 'a', 'v', 't', 'v', true), ('public', 'c', 'v', 't', 'v', false);
CREATE DOMAIN code AS text;
CREATE DOMAIN amount AS numeric(10,2);
CREATE FUNCTION run_by(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'ran'; RETURN true; END$$;
CREATE DOMAIN checked AS text CHECK (run_by(VALUE));
CREATE TYPE checked_pair AS (a int, b checked);
-- differing(types, values): the rows of four that differ, before and after reconcile(), and what that wrote
CREATE FUNCTION differing(atype text, avalues text[], ctype text, cvalues text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	again text;
	written bigint;
BEGIN
	EXECUTE format('ALTER TABLE a ADD v %s; ALTER TABLE c ADD v %s', atype, ctype);
	FOR i IN 1 .. 4 LOOP
		EXECUTE format('UPDATE a SET v = %L WHERE k = %L', avalues[i], i);
		EXECUTE format('UPDATE c SET v = %L WHERE k = %L', cvalues[i], i);
	END LOOP;
	SELECT string_agg(row_key ->> 'k', ',' ORDER BY row_key) INTO answer FROM ownership.drift('t.v');
	IF (answer IS NOT NULL) <> (SELECT state = 'differ' FROM ownership.compare_copies('t.v', false))
		OR (SELECT count(*) FROM ownership.drift('t.v')) <> (SELECT rows_differing FROM ownership.drift_summary('t.v')) THEN
		RAISE 'drift, drift_summary and the risk disagree';
	END IF;
	SELECT ownership.reconcile('t.v') INTO written;
	SELECT string_agg(row_key ->> 'k', ',' ORDER BY row_key) INTO again FROM ownership.drift('t.v');
	IF (SELECT ownership.reconcile('t.v')) <> 0 THEN
		RAISE 'the second run wrote again';
	END IF;
	ALTER TABLE a DROP v;
	ALTER TABLE c DROP v;
	RETURN format('differ %s; written %s; then differ %s', coalesce(answer, '-'), written, coalesce(again, '-'));
END $$;
SET ownership.enforcement = off;
SET client_min_messages = error;
SELECT differing('text', '{a,"a ",A,""}', 'text', '{a,a,a,NULL}');
SELECT differing('text', '{" 1 ","1.0",TRUE,x}', 'numeric', '{1,1,1,1}');
SELECT differing('text', '{" 1 ","+1","1.0","1."}', 'int', '{1,1,1,1}');
SELECT differing('text', '{"1.5","",".","1e400000"}', 'bigint', '{1,0,0,0}');
SELECT differing('text', '{9223372036854775807,9223372036854775808,-32768,32768}', 'bigint', '{9223372036854775807,0,-32768,32768}');
SELECT differing('text', '{-32768,32768,-0,00012}', 'smallint', '{-32768,0,0,12}');
SELECT differing('varchar(9)', '{0.1,1e2,NaN,-Infinity}', 'float8', '{0.1,100,NaN,-Infinity}');
SELECT differing('text', '{0.1,1e39,3.4e38,x}', 'real', '{0.1,0,3.4e38,0}');
SELECT differing('code', '{1.50,x,2,NULL}', 'amount', '{1.5,1,3,0}');
SELECT differing('amount', '{1.50,1,2,NULL}', 'code', '{1.5,x,3,0}');
SELECT differing('numeric(10,2)', '{1.50,1,2,NULL}', 'char(8)', '{1.5,x,3,0}');
SELECT differing('char(8)', '{1.5,x,3,NULL}', 'numeric(10,2)', '{1.50,1,2,0}');
SELECT differing('text', '{abc,"d ",NULL,"x y"}', 'char(8)', '{ab,d,x,NULL}');
SELECT differing('bit(3)', '{101,110,000,NULL}', 'text', '{101,11,x,1}');
SELECT differing('text', '{101,11,x,1}', 'bit(3)', '{101,110,000,NULL}');
SELECT differing('boolean', '{t,f,t,NULL}', 'text', '{1,NO,maybe,t}');
SELECT differing('text', '{1,NO,maybe,NULL}', 'boolean', '{t,t,t,t}');
SELECT differing('interval', '{1 day 02:00,1 mon,NULL,1 h}', 'text', '{"1 day 2 hours","30 days",x,PT1H}');
SELECT differing('time', '{10:00,11:00,NULL,12:30}', 'text', '{"10:00:00","11 PM",x,12.30}');
SELECT differing('jsonb', '{"{\"a\": 1}","[1,2]",null,NULL}', 'text', '{"{\"a\":1}","[1, 2",null,x}');
SELECT differing('inet', '{10.0.0.1,10.0.0.0/8,::1,NULL}', 'text', '{10.0.0.1/32,10/8,0:0::1,x}');
SELECT differing('int[]', '{"{1,2}","{}","{NULL}",NULL}', 'text', '{"{1, 2}","[]","{null}",x}');
SELECT differing('money', '{1.5,2,3,NULL}', 'text', '{"$1.50",2,x,0}');
SELECT differing('point', '{"(1,2)","(1,2)","(0,0)",NULL}', 'text', '{"1,2","(1, 3)",x,"(0,0)"}');
SELECT differing('numeric', '{1.5,2,3,4}', 'varchar(4)', '{1.50,0,0,0}');
SELECT differing('numeric', '{1234,2,3,4}', 'varchar(3)', '{1,0,0,0}');
-- a type whose input runs a role's code is compared by its text
ALTER TABLE a ADD v text;
ALTER TABLE c ADD v checked_pair;
UPDATE a SET v = '(1,x)';
UPDATE c SET v = '(1,x)';
UPDATE c SET v = '(2,x)' WHERE k = 2;
SET client_min_messages = warning;
SELECT row_key, source_value, copy_value FROM ownership.drift('t.v');
SELECT state FROM ownership.compare_copies('t.v', false);
-- nor is a domain made whose checks were not run
SELECT ownership.value_as('1.005'::text, NULL::amount);
SELECT ownership.value_as(' 7 '::text, NULL::int), ownership.value_as('seven'::text, NULL::int), ownership.value_as(NULL::text, NULL::int), ownership.value_as(7, NULL::text);
DROP TABLE a, c;
DROP FUNCTION differing;
DROP TYPE checked_pair;
DROP DOMAIN code, amount, checked;
DROP FUNCTION run_by;
RESET ownership.enforcement;
DO $$ BEGIN DELETE FROM ownership.field; DELETE FROM ownership.mirrored_table; END $$;

--
-- Keys: a text is read as well; what is no such value matches no row.  Two texts for one key of the authoritative table say nothing.
--
CREATE TABLE erp.item (code text, price numeric);
CREATE TABLE product (id int PRIMARY KEY, price numeric);
INSERT INTO erp.item VALUES ('7', 1), ('0008', 1), ('9.0', 1), (' 10 ', 1), ('11.5', 1), ('x', 1), ('', 1), (NULL, 1), ('99999999999', 1);
INSERT INTO product SELECT generate_series(6, 13), 2;
DO $$ BEGIN
	PERFORM ownership.add_tables('erp.*', source => 'erp'), ownership.assign('product', NULL, 'erp');
	PERFORM ownership.link('product.id', '{erp.item.code}'), ownership.link('product.price', '{erp.item.price}');
END $$;
SELECT * FROM ownership.drift('product.price');
SELECT rows_compared, rows_differing FROM ownership.drift_summary('product.price');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": 8}') WHERE event IN ('answer', 'value', 'no row', 'unknown');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": "0008"}') WHERE event IN ('answer', 'value', 'no row', 'unknown');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": "x"}') WHERE event IN ('answer', 'value', 'no row', 'unknown');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": 12}') WHERE event IN ('answer', 'value', 'no row', 'unknown');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": "nine"}') WHERE event IN ('answer', 'value', 'no row', 'unknown');
SELECT ownership.reconcile('product.price');
SET ownership.enforcement = off;
CREATE UNIQUE INDEX ON erp.item (code);
INSERT INTO erp.item VALUES ('007', 3);
RESET ownership.enforcement;
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price');
SELECT ownership.reconcile('product.price');

SET client_min_messages = warning;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp CASCADE;
DROP TABLE product;
DROP ROLE regress_erp;
