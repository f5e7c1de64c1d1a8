-- Names follow: renames of schemas, tables, columns and subscriptions, drops,
-- and what DDL leaves as it is.
\set VERBOSITY terse
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, status text DEFAULT 'new');
GRANT ALL ON product TO PUBLIC;
INSERT INTO product VALUES (1, 10, 'one'), (2, 20, 'two');
SELECT ownership.assign('product', '{id,price,status}', 'erp'), ownership.assign('product', '{title}', 'crm');
SELECT ownership.assign_rows('product', '{status}', 'crm', $$product.status = 'cart' AND price > 5$$);
UPDATE ownership.field SET policy = 'keep' WHERE name = 'title';

-- what is on the map, what it is bound to, and what the risks are besides the usual
CREATE VIEW bound AS
	SELECT table_schema || '.' || table_name AS name, NULLIF(relid, 0)::regclass AS relation, columns, guarded FROM ownership.bound_table
	ORDER BY table_schema COLLATE "C", table_name COLLATE "C";
CREATE VIEW map AS SELECT relation, column_name, entity || '.' || field AS field, owner, guarded FROM ownership.map;
CREATE VIEW found AS SELECT severity, risk, relation, column_name, detail FROM ownership.risks WHERE risk <> 'silent_owner';
-- may a system write this?
CREATE FUNCTION may(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE regress_%s', who);
	EXECUTE statement;
	RAISE EXCEPTION USING errcode = 'Y0001';
EXCEPTION
	WHEN SQLSTATE 'Y0001' THEN RETURN 'yes';
	WHEN OTHERS THEN RETURN SQLERRM;
END $$;
TABLE bound;
TABLE found;

--
-- A column: its map, its evidence and the filters that name it follow
--
SET ownership.system = 'erp';
UPDATE product SET title = 'mine' WHERE id = 1;
RESET ownership.system;
ALTER TABLE product RENAME COLUMN title TO name;
ALTER TABLE product RENAME status TO state;
TABLE map;
SELECT row_filter FROM ownership.row_owner;
SELECT row_key, columns, stored, proposed FROM ownership.conflict;
SELECT may('erp', $$UPDATE product SET name = 'x'$$), may('crm', $$UPDATE product SET name = 'x'$$);
SELECT may('crm', $$UPDATE product SET state = 'x'$$);
-- the same refused value is recorded once, under whatever name
SET ownership.system = 'erp';
UPDATE product SET name = 'mine' WHERE id = 1;
RESET ownership.system;
SELECT count(*) FROM ownership.conflict;
-- the key, too
ALTER TABLE product RENAME id TO "product ""id""";
SELECT row_key FROM ownership.conflict;
ALTER TABLE product RENAME "product ""id""" TO id;
SELECT row_key FROM ownership.conflict;
TABLE found;
-- rolled back
BEGIN;
SAVEPOINT s;
ALTER TABLE product RENAME price TO amount;
ROLLBACK TO s;
ALTER TABLE product RENAME name TO title;
COMMIT;
TABLE map;

--
-- A table: also within the transaction, and rolled back
--
BEGIN;
ALTER TABLE product RENAME TO article;
SELECT may('crm', 'UPDATE article SET price = 0');
ROLLBACK;
TABLE bound;
ALTER TABLE product RENAME TO article;
TABLE bound;
TABLE map;
SELECT row_filter FROM ownership.row_owner;
SELECT may('crm', 'UPDATE article SET price = 0'), may('erp', 'UPDATE article SET price = 0');
SELECT table_name, row_key FROM ownership.conflict;
TABLE found;
-- in another way, which PostgreSQL allows
ALTER INDEX article RENAME TO product;
TABLE bound;
-- there and back again in one transaction is nothing; the name of an earlier one is remembered
BEGIN;
ALTER TABLE product RENAME TO x;
ALTER TABLE x RENAME TO y;
ALTER TABLE y RENAME TO product;
COMMIT;
TABLE bound;
SELECT former_name, table_name FROM ownership.former_table ORDER BY former_name COLLATE "C";
-- to another schema, and the schema to another name
CREATE SCHEMA shop;
ALTER TABLE product SET SCHEMA shop;
SELECT may('crm', 'UPDATE shop.product SET price = 0');
GRANT USAGE ON SCHEMA shop TO PUBLIC;
SELECT may('crm', 'UPDATE shop.product SET price = 0');
ALTER SCHEMA shop RENAME TO "My Shop";
TABLE map;
SELECT may('crm', 'UPDATE "My Shop".product SET price = 0');
SELECT table_schema, table_name FROM ownership.conflict;
ALTER TABLE "My Shop".product SET SCHEMA public;
DROP SCHEMA "My Shop";
TABLE found;

--
-- What was dropped waits for its name
--
ALTER TABLE product DROP COLUMN price;
TABLE found;
ALTER TABLE product ADD COLUMN price numeric;
TABLE found;
TABLE bound;
SELECT may('crm', 'UPDATE product SET price = 0');
-- also in one command
ALTER TABLE product DROP COLUMN price, ADD COLUMN price bigint;
SELECT may('crm', 'UPDATE product SET price = 0');
-- with what it depends on
CREATE TYPE money2 AS (amount numeric, currency text);
ALTER TABLE product ADD cost money2, ADD region text;
SELECT ownership.assign('product', '{cost,region}', 'erp');
DROP TYPE money2 CASCADE;
TABLE found;
DELETE FROM ownership.field WHERE name = 'cost';
-- a table: the guard waits with the map
DROP TABLE product;
TABLE bound;
TABLE found;
CREATE TABLE product (title text, id int PRIMARY KEY, price numeric, state text);
TABLE bound;
TABLE found;
GRANT ALL ON product TO PUBLIC;
SET ownership.enforcement = off;
INSERT INTO product VALUES ('one', 1, 10, 'cart'), ('two', 2, 10, 'paid');
RESET ownership.enforcement;
SELECT may('crm', 'UPDATE product SET price = 0'), may('erp', 'UPDATE product SET price = 0');
SELECT may('crm', $$UPDATE product SET state = 'x'$$), may('crm', $$UPDATE product SET state = 'x' WHERE id = 1$$);
ALTER TABLE product ADD region text;
-- one that was not to be guarded is not
SELECT ownership.unguard('product');
DROP TABLE product;
CREATE TABLE product AS SELECT 1 AS id, 1.0 AS price, ''::text AS title, ''::text AS state, ''::text AS region;
SELECT severity, risk, relation FROM found;
SELECT ownership.guard('product');
-- created with its data
DROP TABLE product;
SELECT 1 AS id, 1.0 AS price, ''::text AS title, ''::text AS state, ''::text AS region INTO product;
TABLE found;
GRANT ALL ON product TO PUBLIC;
SELECT may('crm', 'UPDATE product SET price = 0');
-- with its schema, and with all that somebody owns
CREATE SCHEMA shop;
GRANT ALL ON SCHEMA shop, public TO regress_erp;
ALTER TABLE product SET SCHEMA shop;
DROP SCHEMA shop CASCADE;
TABLE found;
CREATE SCHEMA shop CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, state text, region text);
TABLE found;
ALTER TABLE shop.product OWNER TO regress_erp;
DROP OWNED BY regress_erp CASCADE;
TABLE bound;
-- by somebody who may do nothing on the map, nor read it: it follows all the same
GRANT CREATE ON SCHEMA shop, public TO regress_erp;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ownership FROM PUBLIC;
REVOKE ALL ON SCHEMA ownership FROM PUBLIC;
SET ROLE regress_erp;
CREATE TABLE shop.product (id int PRIMARY KEY, price numeric, title text, state text, region text);
ALTER TABLE shop.product RENAME TO item;
ALTER TABLE shop.item RENAME title TO name;
ALTER TABLE shop.item SET SCHEMA public;
DELETE FROM ownership.bound_table;
RESET ROLE;
TABLE bound;
TABLE map;
TABLE found;
GRANT USAGE ON SCHEMA ownership TO PUBLIC;
ALTER TABLE item OWNER TO CURRENT_USER;

--
-- DDL that leaves names, OIDs and triggers as they are
--
CREATE FUNCTION armed() RETURNS text LANGUAGE sql AS
	$$SELECT string_agg(tgname || ' ' || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'item'::regclass AND tgname LIKE '%ownership%'$$;
ALTER TABLE item ALTER price TYPE bigint, ALTER name SET NOT NULL, ADD note text DEFAULT random()::text;	-- a rewrite
CLUSTER item USING product_pkey;
VACUUM FULL item;
REINDEX TABLE item;
ALTER TABLE item SET UNLOGGED;
ALTER TABLE item SET LOGGED;
ALTER TABLE item ALTER price TYPE text USING price::text, ALTER region TYPE int USING NULL, SET (fillfactor = 50), REPLICA IDENTITY FULL;
CREATE MATERIALIZED VIEW seen AS SELECT * FROM item;
REFRESH MATERIALIZED VIEW seen;
ALTER MATERIALIZED VIEW seen RENAME TO item_seen;
CREATE VIEW item_view AS SELECT * FROM item;
ALTER VIEW item_view RENAME TO item_shown;
ALTER TABLE item RENAME CONSTRAINT product_pkey TO item_pkey;
SELECT armed();
TABLE bound;
GRANT ALL ON item TO PUBLIC;
SELECT may('crm', $$INSERT INTO item VALUES (1)$$);
-- a copy of the table is another table, without map and guard
CREATE TABLE item_copy (LIKE item INCLUDING ALL);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'item_copy'::regclass;
TABLE found;

--
-- Columns of typed tables are renamed in their type
--
CREATE TYPE part AS (id int, price numeric);
CREATE TABLE spare OF part (PRIMARY KEY (id));
SELECT ownership.assign('spare', NULL, 'erp');
ALTER TYPE part RENAME ATTRIBUTE price TO amount CASCADE;
ALTER TYPE part DROP ATTRIBUTE id CASCADE, ADD ATTRIBUTE no int CASCADE;
SELECT column_name, field FROM ownership.mirrored_column WHERE table_name = 'spare' ORDER BY 1;
SELECT risk, relation, column_name FROM found WHERE relation = 'spare';

--
-- Columns of an inheritance child that is on the map itself
--
CREATE TABLE base (id int PRIMARY KEY, price numeric);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (base);
SELECT ownership.assign('child', NULL, 'erp');
ALTER TABLE base RENAME price TO amount;
ALTER TABLE base DROP id;
SELECT column_name, field FROM ownership.mirrored_column WHERE table_name = 'child' ORDER BY 1;
-- beside a change of triggers, too
ALTER TABLE base RENAME amount TO price;
ALTER TABLE base DROP price, ENABLE TRIGGER ALL;
SELECT column_name, field FROM ownership.mirrored_column WHERE table_name = 'child' ORDER BY 1;

--
-- Temporary tables and names that hide a mirrored table are no tables of the map
--
CREATE TEMP TABLE item (id int);
ALTER TABLE pg_temp.item RENAME TO product;
DROP TABLE pg_temp.product;
CREATE TABLE pg_temp.item (id int);
DROP TABLE pg_temp.item;
TABLE bound;

--
-- The map is edited by hand, before or after
--
UPDATE ownership.mirrored_table SET table_name = 'item2' WHERE table_name = 'item';
ALTER TABLE item RENAME TO item2;
SELECT name, relation, guarded FROM bound;
TRUNCATE ownership.mirrored_table, ownership.mirrored_column, ownership.row_owner;
ALTER TABLE item2 RENAME TO item;
DROP TABLE spare;
SELECT relation FROM map;
INSERT INTO ownership.mirrored_table VALUES ('public', 'item');
SELECT name, relation, guarded FROM bound WHERE name = 'public.item';
ALTER TABLE item RENAME TO item3;
SELECT name, relation, guarded FROM bound WHERE name = 'public.item3';
DELETE FROM ownership.mirrored_table;
SELECT count(*) FROM ownership.bound_table WHERE table_name = 'item3';

--
-- A dropped extension leaves nothing; DDL goes on
--
DROP EXTENSION ownership CASCADE;
SELECT evtname FROM pg_event_trigger;
ALTER TABLE item3 RENAME TO item4;
DROP TABLE item4, item_copy, base CASCADE;
DROP FUNCTION may;
DROP TYPE part;
DROP SCHEMA shop;
REVOKE ALL ON SCHEMA public FROM regress_erp;
DROP ROLE regress_erp, regress_crm;
