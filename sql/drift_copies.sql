-- Copies of one field that disagree: which, how many, and the risk.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_reader;
CREATE SCHEMA erp;
CREATE SCHEMA shop;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront'), ownership.add_system('pim', 'pim');
CREATE TABLE erp.item (id int PRIMARY KEY, item_code text, list_price numeric(12,4));
CREATE TABLE shop.variant (id int PRIMARY KEY, sku varchar(20), price numeric);
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2));
INSERT INTO erp.item VALUES (1, 'A1', 9.9), (2, 'A2', 20), (3, 'A3', NULL), (4, 'A4', 0), (5, NULL, 5), (6, 'A6', 6), (7, 'A7', NULL);
INSERT INTO product VALUES ('A1', 9.90), ('A2', 19), ('A3', NULL), ('A4', NULL), ('A7', 7), ('A8', 8);
INSERT INTO shop.variant VALUES (11, 'A1', 9.9), (12, 'A2', 20.00), (13, 'A2', 21), (14, NULL, 5);
SELECT ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('shop.*', source => 'shop'), ownership.assign('product', NULL, 'erp');

--
-- What is asked for must be there.
--
SELECT * FROM ownership.drift('product.prise');
SELECT * FROM ownership.drift('price');
-- one column has nothing to disagree with
SELECT * FROM ownership.drift('product.price');
SELECT * FROM ownership.drift(NULL);
SELECT * FROM ownership.drift_summary();
SELECT severity, risk, detail FROM ownership.risks;

--
-- How rows are told to be the same: by the entity's key fields.
--
SELECT ownership.link('product.price', '{erp.item.list_price, shop.variant.price}');
SELECT * FROM ownership.drift('product.price');
SELECT * FROM ownership.drift_summary();
SELECT * FROM ownership.risks \gx
-- one table is linked: the other is left out, with a warning
SELECT ownership.link('product.sku', '{erp.item.item_code}');
SELECT * FROM ownership.drift('product.price');
SELECT ownership.link('product.sku', '{shop.variant.sku}');
-- NULL and 0 are values, 9.9 is 9.90; a row that is missing on one side is not compared
SELECT * FROM ownership.drift('product.price');
SELECT * FROM ownership.drift_summary();
SELECT * FROM ownership.risks WHERE risk = 'drifting' \gx
-- the key joins rows, and cannot disagree
SELECT * FROM ownership.drift('product.sku');

--
-- Which copy is authoritative: the one that is marked, ...
--
SELECT ownership.link('product.price', '{product.price}', authoritative => 'product.price');
SELECT relation, column_name, authoritative, rows_compared, rows_differing FROM ownership.drift_summary('product.*');
UPDATE ownership.mirrored_column SET authoritative = false;
-- ... the one in the table whose source is the owner (as above), ...
UPDATE ownership.field SET owner = 'shop' WHERE (entity, name) = ('product', 'price');
SELECT relation, column_name, authoritative FROM ownership.drift_summary();
-- ... the only shared one, which only the owner may write
UPDATE ownership.field SET owner = 'pim' WHERE (entity, name) = ('product', 'price');
SELECT relation, column_name, authoritative FROM ownership.drift_summary();
-- else it is undecided: no owner, two tables of his, or two shared ones
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'price');
SELECT * FROM ownership.drift('product.price');
SELECT relation, column_name, authoritative, problem FROM ownership.drift_summary();
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'price');
UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_schema = 'shop';
SELECT relation, column_name, authoritative, problem FROM ownership.drift_summary();
SELECT * FROM ownership.risks WHERE risk = 'drifting' \gx
UPDATE ownership.mirrored_table SET source = NULL WHERE table_schema IN ('erp', 'shop');
SELECT relation, column_name, authoritative, problem FROM ownership.drift_summary();
UPDATE ownership.mirrored_table SET source = table_schema WHERE table_schema IN ('erp', 'shop');

--
-- A row of the authoritative table must be told by what both hold.
--
BEGIN;	-- under the patterns of above, on the map and guarded at commit
CREATE TABLE erp.scale (code text, market text, since date, price numeric, PRIMARY KEY (code, market));
CREATE TABLE shop.scale (market text, sku text, price numeric);
INSERT INTO erp.scale VALUES ('A', 'de', '2024-01-01', 1), ('A', 'fr', '2024-01-01', 2), ('B', 'de', '2024-01-01', 3), ('C', '', '2024-01-01', 4);
INSERT INTO shop.scale VALUES ('de', 'A', 1), ('fr', 'A', 1), ('de', 'B', 2), (NULL, 'C', 5), ('', 'C', NULL);
COMMIT;
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('scale', 'sku', 'erp', true), ('scale', 'market', 'erp', true), ('scale', 'price', 'erp', false), ('scale', 'since', 'erp', true);
SELECT ownership.add_tables('shop.scale', source => 'shop');
SELECT ownership.link('scale.sku', '{erp.scale.code, shop.scale.sku}'), ownership.link('scale.price', '{erp.scale.price, shop.scale.price}', authoritative => 'erp.scale.price');
SELECT ownership.link('scale.market', '{erp.scale.market}');
UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_schema = 'erp';
SELECT * FROM ownership.drift('scale.price');
SELECT ownership.link('scale.market', '{shop.scale.market}');
SELECT * FROM ownership.drift('scale.price');
-- a further key field of the authoritative table alone does no harm, where a unique index tells its rows without
SELECT ownership.link('scale.since', '{erp.scale.since}');
SELECT * FROM ownership.drift('scale.price');
ALTER TABLE erp.scale DROP CONSTRAINT scale_pkey;
SELECT * FROM ownership.drift('scale.price');
DELETE FROM ownership.field WHERE (entity, name) = ('scale', 'since');
SELECT count(*) FROM ownership.drift('scale.price');

--
-- Types: as the guard compares; cast where they differ, and what cannot be
-- cast is a difference.
--
CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TYPE hue AS ENUM ('red', 'green');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE a (k int PRIMARY KEY);
CREATE TABLE c (k bigint PRIMARY KEY);
INSERT INTO a SELECT generate_series(1, 4);
INSERT INTO c SELECT generate_series(1, 4);
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('t', 'k', 'erp', true), ('t', 'v', 'erp', false);
SELECT ownership.link('t.k', '{a.k, c.k}');
INSERT INTO ownership.mirrored_column VALUES ('public', 'a', 'v', 't', 'v', true), ('public', 'c', 'v', 't', 'v', false);
-- differing(types, values): the rows of four that differ
CREATE FUNCTION differing(atype text, avalues text[], ctype text, cvalues text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('ALTER TABLE a ADD v %s; ALTER TABLE c ADD v %s', atype, ctype);
	FOR i IN 1 .. 4 LOOP
		EXECUTE format('UPDATE a SET v = %L WHERE k = %L', avalues[i], i);
		EXECUTE format('UPDATE c SET v = %L WHERE k = %L', cvalues[i], i);
	END LOOP;
	SELECT string_agg(format('%s: %s %s', row_key ->> 'k', coalesce(source_value, '-'), coalesce(copy_value, '-')), ', ' ORDER BY row_key) INTO answer
	FROM ownership.drift('t.v');
	IF (answer IS NOT NULL) <> (SELECT state = 'differ' FROM ownership.compare_copies('t.v', false))
		OR (SELECT count(*) FROM ownership.drift('t.v')) <> (SELECT rows_differing FROM ownership.drift_summary('t.v')) THEN
		RAISE 'drift, drift_summary and the risk disagree';
	END IF;
	ALTER TABLE a DROP v;
	ALTER TABLE c DROP v;
	RETURN answer;
END $$;
\pset null '(null)'
SET ownership.enforcement = off;
SELECT differing('text', '{a,a,A,NULL}', 'text', '{a,b,a,a}');
SELECT differing('text', '{"",NULL,a,é}', 'varchar(10)', '{NULL,"","a ",e}');
SELECT differing('char(3)', '{a,ab,abc,NULL}', 'char(5)', '{a,ab,abcd,NULL}');
SELECT differing('char(3)', '{a,ab,abc,NULL}', 'text', '{a,"ab ",abcd,""}');
SELECT differing('numeric(10,2)', '{1,1.5,NaN,NULL}', 'numeric', '{1.000,1.501,NaN,0}');
SELECT differing('positive', '{1,2,3,4}', 'int', '{1,3,3,NULL}');
SELECT differing('int', '{1,2,3,10}', 'numeric', '{1.0,2.4,NULL,9.6}');
SELECT differing('numeric', '{1.50,2,3,4}', 'text', '{1.5,02,n/a,""}');
SELECT differing('text', '{1.50,2,3,4}', 'numeric', '{1.5,2,3.0,NULL}');
SELECT differing('int', '{1,2,3,4}', 'bigint', '{1,2,99999999999,NULL}');
SELECT differing('smallint', '{1,2,3,4}', 'text', '{1,99999999,drei," 4"}');
SELECT differing('float8', '{0.1,-0,NaN,1e300}', 'float8', '{0.1,0,NaN,1e-300}');
SELECT differing('numeric', '{0.1,0.2,NaN,1}', 'float8', '{0.1,0.3,NaN,1}');
SELECT differing('boolean', '{t,f,t,NULL}', 'text', '{yes,no,maybe,NULL}');
SELECT differing('boolean', '{t,f,t,NULL}', 'int', '{1,0,0,0}');
SELECT differing('date', '{2024-02-29,2024-01-01,NULL,infinity}', 'timestamptz', '{2024-02-29 00:00+00,2024-01-01 12:00+00,NULL,infinity}');
SELECT differing('date', '{2024-02-29,2024-01-02,NULL,2024-03-04}', 'text', '{2024-02-29,01/02/2024,NULL,2024-02-30}');
SELECT differing('timestamptz', '{2024-01-01 00:00+00,2024-01-01 00:00+00,NULL,NULL}', 'timestamptz', '{2024-01-01 01:00+01,2024-01-01 00:00+01,NULL,NULL}');
SELECT differing('interval', '{1 day,24 hours,NULL,NULL}', 'interval', '{1 day,1 day,NULL,NULL}');
SELECT differing('uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL,NULL,NULL}', 'text', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,none,NULL,NULL}');
SELECT differing('json', '{"{\"a\":1}","{\"a\":1}",NULL,null}', 'json', '{"{\"a\":1}","{\"a\": 1}",NULL,NULL}');
SELECT differing('json', '{"{\"a\":1}","{\"a\":1}",NULL,null}', 'jsonb', '{"{\"a\": 1}","{\"a\":2}",NULL,NULL}');
SELECT differing('point', '{"(1,2)","(1,2)",NULL,NULL}', 'point', '{"(1,2)","(2,1)",NULL,"(0,0)"}');
SELECT differing('bytea', '{"\\x00ff","",NULL,a}', 'bytea', '{"\\x00ff",NULL,NULL,"\\x61"}');
SELECT differing('int[]', '{"{1,2}","{}",NULL,"{NULL}"}', 'bigint[]', '{"{1,2}","{1}",NULL,"{NULL}"}');
SELECT differing('colour', '{red,green,NULL,red}', 'text', '{red,red,NULL,blue}');
SELECT differing('colour', '{red,green,NULL,red}', 'hue', '{red,red,NULL,red}');
SELECT differing('pair', '{"(1,x)","(,)",NULL,"(1,)"}', 'pair', '{"(1,x)",NULL,NULL,"(1,\"\")"}');
SELECT differing('date', '{2024-01-01,NULL,NULL,NULL}', 'point', '{"(1,2)","(1,2)",NULL,NULL}');
-- long values, in TOAST tables in one place and compressed in the other
CREATE FUNCTION long(c text) RETURNS text LANGUAGE SQL RETURN repeat(c, 300000);
ALTER TABLE a ADD v text;
ALTER TABLE c ADD v text;
ALTER TABLE a ALTER v SET STORAGE EXTERNAL;
UPDATE a SET v = long('x');
UPDATE c SET v = long(CASE k WHEN 2 THEN 'y' ELSE 'x' END);
SELECT row_key, length(source_value), left(copy_value, 1) FROM ownership.drift('t.v');
ALTER TABLE a DROP v;
ALTER TABLE c DROP v;
-- keys of other types: what is no number is the same as none, and a key that cannot be cast raises no error
ALTER TABLE c DROP k, ADD k text;
UPDATE c SET k = x.n FROM (SELECT ctid, (ARRAY['1', '2', 'drei', NULL])[row_number() OVER ()] AS n FROM c) x WHERE c.ctid = x.ctid;
SELECT differing('int', '{1,2,3,4}', 'int', '{NULL,NULL,NULL,NULL}');
ALTER TABLE a ADD v int;
ALTER TABLE c ADD v int;
UPDATE a SET v = k;
SELECT * FROM ownership.drift('t.v');
SELECT rows_compared, rows_differing FROM ownership.drift_summary('t.v');
RESET ownership.enforcement;
DROP TABLE a, c;
\pset null ''
-- what is not there
SELECT * FROM ownership.drift('t.v');
SELECT count(*) FROM ownership.risks WHERE risk = 'drifting' AND entity = 't';
DELETE FROM ownership.field WHERE entity = 't';
DELETE FROM ownership.mirrored_table WHERE table_name IN ('a', 'c');

--
-- Collations of keys may differ.
--
CREATE TABLE ca (k text COLLATE "C" PRIMARY KEY, v int);
CREATE TABLE cb (k text COLLATE "POSIX" PRIMARY KEY, v int);
INSERT INTO ca VALUES ('x', 1), ('y', 2);
INSERT INTO cb VALUES ('x', 1), ('y', 3);
SELECT ownership.assign('ca', NULL, 'erp', entity => 'coll');
SELECT ownership.link('coll.k', '{cb.k}'), ownership.link('coll.v', '{cb.v}', authoritative => 'ca.v');
SELECT * FROM ownership.drift('coll.v');

--
-- Awkward names.
--
CREATE SCHEMA "Bob's ""Shop"".";
CREATE TABLE "Bob's ""Shop""."."Größe; DROP TABLE product" ("K'ey ""1""" text, "SELECT" int, PRIMARY KEY ("K'ey ""1"""));
CREATE TABLE "order" ("desc" text PRIMARY KEY, "a.b" int);
INSERT INTO "Bob's ""Shop""."."Größe; DROP TABLE product" VALUES ('it''s', 1), ('\n', 2), ('ok', 3);
INSERT INTO "order" VALUES ('it''s', 2), ('\n', 3), ('ok', 3);
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('an ''odd'' one', 'k''ey', 'erp', true), ('an ''odd'' one', 'va"lue', 'erp', false);
INSERT INTO ownership.mirrored_column
VALUES ('Bob''s "Shop".', 'Größe; DROP TABLE product', 'K''ey "1"', 'an ''odd'' one', 'k''ey', false),
	('Bob''s "Shop".', 'Größe; DROP TABLE product', 'SELECT', 'an ''odd'' one', 'va"lue', true),
	('public', 'order', 'desc', 'an ''odd'' one', 'k''ey', false),
	('public', 'order', 'a.b', 'an ''odd'' one', 'va"lue', false);
SELECT * FROM ownership.drift('an ''odd'' one.va"lue');
SELECT authoritative, relation, column_name, rows_differing FROM ownership.drift_summary('an*');

--
-- Partitions and inheritance children belong to the table; two columns of one table can be copies.
--
CREATE TABLE stock (sku text, site int, qty int, shown int, PRIMARY KEY (sku, site)) PARTITION BY LIST (site);
CREATE TABLE stock_1 PARTITION OF stock FOR VALUES IN (1);
CREATE TABLE stock_2 (shown int, gone int, site int NOT NULL, qty int, sku text NOT NULL);
ALTER TABLE stock_2 DROP gone;
ALTER TABLE stock ATTACH PARTITION stock_2 FOR VALUES IN (2);
CREATE TABLE seen (article text, place int, n int);
CREATE TABLE seen_child () INHERITS (seen);
INSERT INTO stock VALUES ('A', 1, 1, 1), ('A', 2, 2, 0), ('B', 2, 3, 3);
INSERT INTO seen VALUES ('A', 1, 1);
INSERT INTO seen_child VALUES ('A', 2, 5), ('B', 2, 6);
SELECT ownership.assign('stock', '{sku,site,qty}', 'erp', entity => 'level');
SELECT ownership.link('level.sku', '{seen.article}'), ownership.link('level.site', '{seen.place}'), ownership.link('level.qty', '{seen.n,stock.shown}', authoritative => 'stock.qty');
SELECT * FROM ownership.drift('level.qty');

--
-- Everything is read as the caller.
--
GRANT USAGE ON SCHEMA erp TO regress_reader;
GRANT SELECT (item_code) ON erp.item TO regress_reader;
GRANT SELECT ON product TO regress_reader;
SET ROLE regress_reader;
SELECT * FROM ownership.drift('product.price');
SELECT relation, rows_differing, problem FROM ownership.drift_summary('product.price');
-- the risks leave out what he may not read, without an error
SELECT entity, field, relation FROM ownership.risks WHERE risk = 'drifting';
RESET ROLE;
GRANT SELECT (list_price) ON erp.item TO regress_reader;
SET ROLE regress_reader;
SELECT relation, rows_differing, problem FROM ownership.drift_summary('product.price');
SELECT entity, field, relation FROM ownership.risks WHERE risk = 'drifting';
-- row-level security applies to him; the risks do not run its conditions
RESET ROLE;
CREATE FUNCTION tell() RETURNS boolean LANGUAGE plpgsql COST 1 AS $$BEGIN RAISE WARNING 'run by %', CASE WHEN current_user ~ '^regress_' THEN current_user ELSE 'the superuser' END; RETURN true; END$$;
ALTER TABLE product ENABLE ROW LEVEL SECURITY;
CREATE POLICY a2 ON product USING (sku = 'A2' AND tell());
SET ROLE regress_reader;
SELECT relation, rows_compared, rows_differing FROM ownership.drift_summary('product.price') WHERE problem IS NULL;
SELECT entity, field, relation FROM ownership.risks WHERE risk = 'drifting';
RESET ROLE;
ALTER TABLE product DISABLE ROW LEVEL SECURITY;
-- nor what the planner would compute of indexes, constraints and the like, if it is not a superuser's
CREATE FUNCTION folded(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE WARNING 'run by %', CASE WHEN current_user ~ '^regress_' THEN current_user ELSE 'the superuser' END; RETURN $1; END$$;
SET client_min_messages = error;	-- how often it is run is no matter
CREATE INDEX product_idx ON product ((1 + folded(1)));
SELECT relation, state, problem FROM ownership.compare_copies('product.price', false);
SET client_min_messages = warning;
ALTER FUNCTION folded(int) OWNER TO regress_reader;
SELECT relation, state, problem FROM ownership.compare_copies('product.price', false);
DROP INDEX product_idx;
ALTER TABLE product ADD CHECK (sku <> folded(0)::text) NOT VALID;
SELECT relation, state, problem FROM ownership.compare_copies('product.price', false);
DROP FUNCTION folded CASCADE;
-- nobody's cast is run on behalf of who looks
CREATE FUNCTION evil(colour) RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'run by %', CASE WHEN current_user ~ '^regress_' THEN current_user ELSE 'the superuser' END; RETURN 1; END$$;
CREATE FUNCTION evil_text(colour) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'run by %', CASE WHEN current_user ~ '^regress_' THEN current_user ELSE 'the superuser' END; RETURN 'x'; END$$;
ALTER FUNCTION evil(colour) OWNER TO regress_reader;
ALTER FUNCTION evil_text(colour) OWNER TO regress_reader;
CREATE CAST (colour AS int) WITH FUNCTION evil(colour) AS IMPLICIT;
CREATE CAST (colour AS text) WITH FUNCTION evil_text(colour) AS IMPLICIT;
CREATE TABLE x1 (k colour PRIMARY KEY, v int, w text);
CREATE TABLE x2 (k text PRIMARY KEY, v colour, w colour);
INSERT INTO x1 VALUES ('red', 1, 'red');
INSERT INTO x2 VALUES ('red', 'red', 'red');
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('x', 'k', 'erp', true), ('x', 'v', 'erp', false), ('x', 'w', 'erp', false);
INSERT INTO ownership.mirrored_column
SELECT 'public', t, c, 'x', c, t = 'x1' AND c <> 'k' FROM unnest('{x1,x2}'::text[]) t, unnest('{k,v,w}'::text[]) c;
SELECT detail FROM ownership.risks WHERE entity = 'x' AND risk = 'drifting';
SELECT * FROM ownership.drift('x.v');
SELECT * FROM ownership.drift('x.w');
-- a superuser's is
ALTER FUNCTION evil(colour) OWNER TO CURRENT_USER;
SELECT * FROM ownership.drift('x.v');
DROP CAST (colour AS int);
DROP CAST (colour AS text);

--
-- Tables, columns and copies that are not there are no error, except to who asks for them.
--
DROP TABLE product;
SELECT * FROM ownership.drift('product.price');
ALTER TABLE erp.item DROP list_price;
SELECT * FROM ownership.drift('product.price');
SELECT entity, field, relation FROM ownership.risks WHERE risk = 'drifting' AND entity = 'product';

DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp, shop, "Bob's ""Shop""." CASCADE;
DROP TABLE ca, cb, "order", stock, seen, seen_child, x1, x2;
DROP FUNCTION differing, long, tell, evil, evil_text;
DROP TYPE colour, hue, pair, positive;
DROP ROLE regress_reader;
