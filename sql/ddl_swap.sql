-- Loads swap tables and columns: map and guard stay with the name.
\set VERBOSITY terse
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
GRANT ALL ON item TO PUBLIC;
INSERT INTO item VALUES (1, 10, 'one');
SELECT ownership.assign('item', '{id,price}', 'erp'), ownership.assign('item', '{title}', 'crm');
SELECT ownership.assign_rows('item', '{price}', 'crm', $$item.title = 'x'$$);

CREATE VIEW state AS
	SELECT g.relation, g.guarded, b.relid = to_regclass(g.relation)::oid AS bound, ARRAY(SELECT column_name FROM ownership.mirrored_column m
		WHERE m.table_schema = g.table_schema AND m.table_name = g.table_name ORDER BY column_name COLLATE "C") AS columns
	FROM ownership.guards g LEFT JOIN ownership.bound_table b USING (table_schema, table_name)
	ORDER BY g.relation COLLATE "C";
CREATE VIEW found AS SELECT severity, risk, relation, column_name, detail FROM ownership.risks WHERE risk NOT IN ('silent_owner', 'unmapped');
CREATE FUNCTION may(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE regress_%s', who);
	EXECUTE statement;
	RAISE EXCEPTION USING errcode = 'Y0001';
EXCEPTION
	WHEN SQLSTATE 'Y0001' THEN RETURN 'yes';
	WHEN OTHERS THEN RETURN SQLERRM;
END $$;
-- a new version of a table, filled and open to everybody
CREATE PROCEDURE make(name text, columns text DEFAULT 'id int PRIMARY KEY, price numeric, title text') LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s (%s)', name, columns);
	EXECUTE format('INSERT INTO %s (id) VALUES (1)', name);
	EXECUTE format('GRANT ALL ON %s TO PUBLIC', name);
END $$;
-- evidence, which stays with the name
SET ownership.enforcement = observe;
SET ownership.system = 'crm';
UPDATE item SET price = 11;
RESET ownership.enforcement;
RESET ownership.system;

--
-- In one transaction
--
-- rename, rename, drop
CALL make('item_new');
BEGIN;
ALTER TABLE item RENAME TO item_old;
SELECT may('crm', 'UPDATE item_old SET price = 0');	-- it is judged as ever
ALTER TABLE item_new RENAME TO item;
DROP TABLE item_old;
COMMIT;
TABLE state;
TABLE found;
SELECT may('crm', 'UPDATE item SET price = 0'), may('erp', 'UPDATE item SET price = 0');
SELECT table_name FROM ownership.conflict;
SELECT row_filter FROM ownership.row_owner;
-- rolled back, all of it or to a savepoint
CALL make('item_new');
BEGIN;
ALTER TABLE item RENAME TO item_old;
ALTER TABLE item_new RENAME TO item;
ROLLBACK;
BEGIN;
SAVEPOINT s;
ALTER TABLE item RENAME TO item_old;
ROLLBACK TO s;
ALTER TABLE item_new RENAME TO item_newer;
COMMIT;
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0'), may('crm', 'UPDATE item_newer SET price = 0');
-- the old one stays, as a backup: it is off the map, and its guard is gone
BEGIN;
ALTER TABLE item RENAME TO item_old;
ALTER TABLE item_newer RENAME TO item;
COMMIT;
TABLE state;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'item_old'::regclass;
-- the load is undone
BEGIN;
ALTER TABLE item RENAME TO item_bad;
ALTER TABLE item_old RENAME TO item;
COMMIT;
TABLE state;
DROP TABLE item_bad;
-- drop, rename
CALL make('item_new');
BEGIN;
DROP TABLE item;
ALTER TABLE item_new RENAME TO item;
COMMIT;
TABLE state;
-- drop, create; the load that follows is not in the guard's way
BEGIN;
DROP TABLE item;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
INSERT INTO item VALUES (1, 5, 'new');
GRANT ALL ON item TO PUBLIC;
COMMIT;
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0');
-- rename, create as, drop
BEGIN;
ALTER TABLE item RENAME TO item_old;
CREATE TABLE item AS SELECT * FROM item_old;
DROP TABLE item_old;
COMMIT;
TABLE state;
-- from another schema, and into one
CREATE SCHEMA staging;
CALL make('staging.item');
BEGIN;
ALTER TABLE item RENAME TO item_old;
ALTER TABLE staging.item SET SCHEMA public;
COMMIT;
DROP TABLE item_old;
TABLE state;
BEGIN;
CREATE SCHEMA archive;
ALTER TABLE item SET SCHEMA archive;
CREATE TABLE item (id int, price numeric, title text, extra text);
DROP SCHEMA archive CASCADE;
COMMIT;
TABLE state;
-- with deferred constraints that wait for the same commit
CREATE TABLE site (id int PRIMARY KEY);
INSERT INTO site VALUES (1);
BEGIN;
DROP TABLE item;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text, site int REFERENCES site DEFERRABLE INITIALLY DEFERRED);
INSERT INTO item VALUES (1, 1, 'x', 1);
COMMIT;
TABLE state;
-- prepared, in the end not
BEGIN;
DROP TABLE item;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
PREPARE TRANSACTION 'swap';
ROLLBACK PREPARED 'swap';
TABLE state;
BEGIN;
DROP TABLE item;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
PREPARE TRANSACTION 'swap';
COMMIT PREPARED 'swap';
TABLE state;
-- constraints made immediate: the guard is there at once
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
DROP TABLE item;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
TABLE state;
COMMIT;
TABLE state;
-- in one function call, and in replication role
CREATE FUNCTION load() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE item_new (LIKE item INCLUDING ALL);
	ALTER TABLE item RENAME TO item_old;
	ALTER TABLE item_new RENAME TO item;
	DROP TABLE item_old;
END $$;
SELECT load();
SET session_replication_role = replica;
SELECT load();
RESET session_replication_role;
TABLE state;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'item'::regclass ORDER BY tgname;

--
-- In several transactions
--
-- drop, create
DROP TABLE item;
TABLE state;
TABLE found;
CALL make('item');
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0');
-- rename, drop, rename
CALL make('item_new');
ALTER TABLE item RENAME TO item_old;
DROP TABLE item_old;
TABLE state;
ALTER TABLE item_new RENAME TO item;
TABLE state;
-- rename, rename, drop: in between both are guarded, so that no order sheds the guard
CALL make('item_new');
UPDATE ownership.mirrored_column SET authoritative = true WHERE column_name = 'price';
ALTER TABLE item RENAME TO item_old;
TABLE state;
ALTER TABLE item_new RENAME TO item;
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0'), may('crm', 'UPDATE item_old SET price = 0');
DROP TABLE item_old;
TABLE state;
TABLE found;
SELECT column_name, authoritative FROM ownership.mirrored_column ORDER BY column_name COLLATE "C";
SELECT table_name, column_name, row_filter FROM ownership.row_owner;
SELECT table_name FROM ownership.conflict;
SELECT count(*) FROM ownership.former_table;
-- a table of the same name that has nothing to do with it
ALTER TABLE item RENAME TO article;
CREATE TABLE item (day date, price numeric);
TABLE state;
TABLE found;
-- once the old one is gone, the name decides
DROP TABLE article;
TABLE state;
TABLE found;
DROP TABLE item;
CALL make('item');

--
-- Columns, in one transaction and in several
--
ALTER TABLE item ADD price_new bigint;
BEGIN;
ALTER TABLE item RENAME price TO price_old;
ALTER TABLE item RENAME price_new TO price;
ALTER TABLE item DROP price_old;
COMMIT;
TABLE state;
TABLE found;
SELECT may('crm', 'UPDATE item SET price = 0');
ALTER TABLE item ADD price_new numeric;
ALTER TABLE item RENAME price TO price_old;
ALTER TABLE item RENAME price_new TO price;
SELECT may('crm', 'UPDATE item SET price_old = 0'), may('crm', 'UPDATE item SET price = 0');
SELECT relation, column_name FROM ownership.unmapped;
ALTER TABLE item DROP price_old;
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0');
ALTER TABLE item ADD price_new numeric, DROP price;
ALTER TABLE item RENAME price_new TO price;
TABLE state;
SELECT may('crm', 'UPDATE item SET price = 0');
SELECT row_filter FROM ownership.row_owner;

-- filters that name the column go with the name, not with the old column
ALTER TABLE item ADD qty int;
SELECT ownership.assign('item', '{qty}', 'erp');
SELECT ownership.assign_rows('item', '{title}', 'erp', 'qty > 5');
BEGIN;
ALTER TABLE item RENAME qty TO qty_old;
ALTER TABLE item ADD qty bigint;
ALTER TABLE item DROP qty_old;
COMMIT;
SELECT row_filter FROM ownership.row_owner WHERE column_name = 'title';
ALTER TABLE item RENAME qty TO qty_old;
ALTER TABLE item ADD qty numeric;
SELECT row_filter FROM ownership.row_owner WHERE column_name = 'title';
ALTER TABLE item DROP qty_old;
SELECT row_filter FROM ownership.row_owner WHERE column_name = 'title';
TABLE state;
TABLE found;
-- two mirrored columns swap their names
ALTER TABLE item ADD gross numeric;
SELECT ownership.assign('item', '{gross}', 'crm');
BEGIN;
ALTER TABLE item RENAME qty TO tmp;
ALTER TABLE item RENAME gross TO qty;
ALTER TABLE item RENAME tmp TO gross;
COMMIT;
SELECT column_name, field FROM ownership.mirrored_column WHERE column_name IN ('qty', 'gross') ORDER BY 1;
DELETE FROM ownership.row_owner WHERE column_name = 'title';
DELETE FROM ownership.field WHERE name IN ('qty', 'gross');
ALTER TABLE item DROP gross, DROP qty;

--
-- Names that are used again: two tables take turns
--
ALTER TABLE item RENAME TO item_blue;
CALL make('item_green');
ALTER TABLE item_blue RENAME TO item;
BEGIN;
ALTER TABLE item RENAME TO item_blue;
ALTER TABLE item_green RENAME TO item;
COMMIT;
TABLE state;
BEGIN;
ALTER TABLE item RENAME TO item_green;
ALTER TABLE item_blue RENAME TO item;
COMMIT;
TABLE state;
ALTER TABLE item RENAME TO item_blue;
ALTER TABLE item_green RENAME TO item;
TABLE state;
DROP TABLE item_blue;
TABLE state;
TABLE found;
-- columns, too
ALTER TABLE item ADD price_b numeric;
ALTER TABLE item RENAME price TO price_a;
ALTER TABLE item RENAME price_a TO price;
BEGIN;
ALTER TABLE item RENAME price TO price_a;
ALTER TABLE item RENAME price_b TO price;
COMMIT;
TABLE state;
ALTER TABLE item DROP price_a;
-- two mirrored tables swap their names
CALL make('other');
SELECT ownership.assign('other', '{id}', 'crm');
BEGIN;
ALTER TABLE item RENAME TO tmp;
ALTER TABLE other RENAME TO item;
ALTER TABLE tmp RENAME TO other;
COMMIT;
TABLE state;
DELETE FROM ownership.mirrored_table WHERE table_name = 'other';
DROP TABLE other;
-- the drop of the old one was not seen
ALTER TABLE item RENAME TO item_old;
ALTER EVENT TRIGGER ownership_drop DISABLE;
DROP TABLE item_old;
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;
CALL make('item');
TABLE state;

--
-- Schemas
--
CREATE SCHEMA live;
CREATE TABLE live.a (id int PRIMARY KEY, x int);
CREATE TABLE live.b (id int PRIMARY KEY, y int);
SELECT ownership.add_tables('live.*', source => 'erp', readers => '{crm}', exclude => '{live.tmp*}');
DROP TABLE live.b;
CREATE SCHEMA next;
CREATE TABLE next.a (id int PRIMARY KEY, x int, z int);
CREATE TABLE next.b (id int PRIMARY KEY, y int);
CREATE TABLE next.c (id int PRIMARY KEY);
BEGIN;
ALTER SCHEMA live RENAME TO past;
ALTER SCHEMA next RENAME TO live;
DROP SCHEMA past CASCADE;
COMMIT;
SELECT * FROM state WHERE relation <> 'item';
SELECT pattern, exclude FROM ownership.mirrored_pattern;
-- for good
DROP TABLE live.b;
ALTER SCHEMA live RENAME TO netsuite;
SELECT * FROM state WHERE relation <> 'item';
SELECT pattern, exclude FROM ownership.mirrored_pattern;
CREATE TABLE netsuite.b (id int PRIMARY KEY, y int);
CREATE TABLE netsuite.tmp1 (id int PRIMARY KEY, y int);
CREATE TABLE netsuite.d (id int PRIMARY KEY, y int);
SELECT * FROM state WHERE relation <> 'item';

--
-- Under a pattern: what a load made and a pattern took in goes with it
--
CALL make('netsuite.item_tmp');
SELECT * FROM state WHERE relation LIKE '%item_tmp';
CALL make('netsuite.item');
ALTER TABLE netsuite.item_tmp ADD added text;
BEGIN;
ALTER TABLE netsuite.item RENAME TO item_old;
ALTER TABLE netsuite.item_tmp RENAME TO item;
DROP TABLE netsuite.item_old;
COMMIT;
SELECT * FROM state WHERE relation LIKE 'netsuite.item%';
SELECT entity, name FROM ownership.field WHERE entity LIKE 'netsuite.item%' ORDER BY 1, 2;
-- in several transactions: what was decided about the name stays with it
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'netsuite.item' AND name = 'title';
CALL make('netsuite.item_tmp');
ALTER TABLE netsuite.item RENAME TO item_old;
ALTER TABLE netsuite.item_tmp RENAME TO item;
SELECT * FROM state WHERE relation LIKE 'netsuite.item%';
DROP TABLE netsuite.item_old;
SELECT * FROM state WHERE relation LIKE 'netsuite.item%';
SELECT column_name, entity, field FROM ownership.mirrored_column WHERE table_schema = 'netsuite' AND table_name = 'item' ORDER BY 1;
-- columns
ALTER TABLE netsuite.item ADD title_new text;
BEGIN;
ALTER TABLE netsuite.item RENAME title TO title_old;
ALTER TABLE netsuite.item RENAME title_new TO title;
ALTER TABLE netsuite.item DROP title_old;
COMMIT;
SELECT column_name, entity, field FROM ownership.mirrored_column WHERE table_schema = 'netsuite' AND table_name = 'item' ORDER BY 1;
ALTER TABLE netsuite.item ADD title_new text;
ALTER TABLE netsuite.item RENAME title TO title_old;
ALTER TABLE netsuite.item RENAME title_new TO title;
SELECT column_name, entity, field FROM ownership.mirrored_column WHERE table_schema = 'netsuite' AND table_name = 'item' ORDER BY 1;
ALTER TABLE netsuite.item DROP title_old;
SELECT column_name, entity, field FROM ownership.mirrored_column WHERE table_schema = 'netsuite' AND table_name = 'item' ORDER BY 1;
TABLE found;
-- what somebody decided stays, and waits
CALL make('netsuite.item_tmp');
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'netsuite.item_tmp' AND name = 'price';
BEGIN;
DROP TABLE netsuite.item;
ALTER TABLE netsuite.item_tmp RENAME TO item;
COMMIT;
SELECT * FROM state WHERE relation LIKE 'netsuite.item%';
TABLE found;

-- a schema is swapped in several transactions: its patterns went with the old one, which shows when that is gone
DELETE FROM ownership.mirrored_table WHERE table_name = 'item_tmp';
DELETE FROM ownership.mirrored_column WHERE column_name = 'added';
CREATE SCHEMA next;
CALL make('next.item');
ALTER SCHEMA netsuite RENAME TO past;
ALTER SCHEMA next RENAME TO netsuite;
DROP SCHEMA past CASCADE;
SELECT * FROM state WHERE relation = 'netsuite.item';
SELECT risk, detail FROM found WHERE relation IS NULL;
UPDATE ownership.mirrored_pattern SET pattern = 'netsuite.*';
SELECT risk, detail FROM found WHERE relation IS NULL;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA netsuite, staging CASCADE;
DROP TABLE item, site;
DROP FUNCTION may, load;
DROP PROCEDURE make;
DROP ROLE regress_erp, regress_crm;
