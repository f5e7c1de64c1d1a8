-- What comes later is on the map and guarded when its transaction commits:
-- tables and columns under a pattern, partitions, inheritance children.
\set VERBOSITY terse
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_loader;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE SCHEMA land;
GRANT ALL ON SCHEMA land TO PUBLIC;
CREATE TABLE land.item (id int PRIMARY KEY, sku text, _synced timestamptz);
CREATE VIEW map AS SELECT relation, column_name, entity || '.' || field AS field, owner, source, readers, guarded FROM ownership.map;
CREATE VIEW state AS SELECT relation, guarded, partitions, partitions_guarded, problems FROM ownership.guards ORDER BY relation COLLATE "C";
CREATE VIEW found AS SELECT severity, risk, relation, column_name, detail FROM ownership.risks WHERE risk NOT IN ('silent_owner', 'unowned_key', 'unmapped');
CREATE VIEW triggers AS SELECT tgrelid::regclass AS relation, tgname, tgenabled, tgparentid <> 0 AS clone FROM pg_trigger WHERE tgname LIKE 'zzzz_ownership%'
	ORDER BY tgrelid::regclass::text COLLATE "C", tgname;

--
-- Patterns
--
SELECT ownership.add_tables('land.*', source => 'erp', readers => '{crm}', exclude => '{land.*._synced,land.tmp_*}');
SELECT ownership.add_tables('land.crm_*', source => 'crm', owner => 'erp');	-- nothing matches yet
INSERT INTO ownership.mirrored_pattern (pattern, source, owner, readers) VALUES ('land.crm_*', 'crm', 'crm', '{erp}');
TABLE ownership.mirrored_pattern;
-- told again, otherwise; a wrong system; a null
SELECT ownership.add_tables('land.*', source => 'erp', exclude => '{land.*._synced,land.tmp_*}');
SELECT ownership.add_tables('land.*', source => 'erp', readers => '{crm}', exclude => '{land.*._synced,land.tmp_*}');
SELECT ownership.add_tables('land.*', source => 'epr');
INSERT INTO ownership.mirrored_pattern VALUES ('x.*', NULL, NULL, '{NULL}');
INSERT INTO ownership.mirrored_pattern VALUES ('x.*', 'epr');
INSERT INTO ownership.mirrored_pattern VALUES ('');
-- a table, by whoever; the most specific pattern counts
SET ROLE regress_loader;
CREATE TABLE land.vendor (id int PRIMARY KEY, name text, _synced timestamptz);
CREATE TABLE land.crm_lead AS SELECT 1 AS id, 'x' AS name;
CREATE TABLE land.tmp_1 (id int);
CREATE UNLOGGED TABLE land.unlogged (id int);
CREATE TEMP TABLE vendor (id int);
RESET ROLE;
TABLE map;
TABLE found;
-- the transaction's own statements, and its end
BEGIN;
CREATE TABLE land.late (id int);
INSERT INTO land.late VALUES (1);
ALTER TABLE land.late ADD PRIMARY KEY (id), ADD qty int;
SELECT count(*) FROM map WHERE relation = 'land.late';
COMMIT;
SELECT column_name, guarded FROM map WHERE relation = 'land.late';
SELECT entity, name, key FROM ownership.field WHERE entity = 'land.late' ORDER BY name;
INSERT INTO land.late VALUES (2);
BEGIN;
CREATE TABLE land.never (id int);
ROLLBACK;
BEGIN;
CREATE TABLE land.never (id int);
DROP TABLE land.never;
COMMIT;
SELECT count(*) FROM map WHERE relation = 'land.never';
-- a key that comes later is marked, if there is none
CREATE TABLE land.keyless (a int, b int);
ALTER TABLE land.keyless ADD CONSTRAINT keyless_pk PRIMARY KEY (a);
ALTER TABLE land.keyless DROP CONSTRAINT keyless_pk, ADD PRIMARY KEY (b);
SELECT name, key FROM ownership.field WHERE entity = 'land.keyless' ORDER BY name;
-- by other ways than CREATE TABLE
CREATE TABLE moved (id int);
ALTER TABLE moved SET SCHEMA land;
ALTER TABLE land.tmp_1 RENAME TO not_tmp;
SELECT relation, guarded FROM state WHERE relation IN ('land.moved', 'land.not_tmp');
-- a column; not one that is excluded, generated, or was taken off the map
ALTER TABLE land.item ADD qty int, ADD weight numeric DEFAULT 1, ADD double int GENERATED ALWAYS AS (1 + 1) STORED;
SELECT column_name, owner, readers FROM map WHERE relation = 'land.item';
DELETE FROM ownership.mirrored_column WHERE table_name = 'item' AND column_name = 'qty';
ALTER TABLE land.item ADD color text;
ALTER TABLE land.item RENAME _synced TO synced_at;
SELECT column_name FROM map WHERE relation = 'land.item';
-- a table that was taken off the map stays off
DELETE FROM ownership.mirrored_table WHERE table_name = 'vendor';
ALTER TABLE land.vendor ADD iban text;
SELECT count(*) FROM map WHERE relation = 'land.vendor';
-- a column of a table off all patterns is only told
CREATE TABLE product (id int PRIMARY KEY, price numeric);
GRANT ALL ON product TO PUBLIC;
SELECT ownership.assign('product', NULL, 'erp');
ALTER TABLE product ADD title text;
SELECT risk, relation, column_name FROM ownership.risks WHERE relation = 'product';
-- systems are renamed in patterns, too, by whoever may do that
CREATE ROLE regress_editor;
GRANT SELECT, UPDATE ON ownership.system TO regress_editor;
SET ROLE regress_editor;
UPDATE ownership.system SET name = 'sales' WHERE name = 'crm';
RESET ROLE;
SELECT pattern, source, owner, readers FROM ownership.mirrored_pattern ORDER BY pattern;
-- a reader that is gone
UPDATE ownership.mirrored_pattern SET readers = '{nobody,sales}' WHERE pattern = 'land.*';
CREATE TABLE land.orders (id int PRIMARY KEY);
SELECT relation, readers FROM map WHERE relation = 'land.orders';
UPDATE ownership.system SET name = 'crm' WHERE name = 'sales';
-- a table that becomes a partition is covered by the table above it
CREATE TABLE land.parted (id int PRIMARY KEY, x int) PARTITION BY RANGE (id);
CREATE TABLE land.part (id int PRIMARY KEY, x int);
CREATE TABLE land.decided (id int PRIMARY KEY, x int);
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'land.decided' AND name = 'x';
ALTER TABLE land.parted ATTACH PARTITION land.part FOR VALUES FROM (0) TO (10);
ALTER TABLE land.parted ATTACH PARTITION land.decided FOR VALUES FROM (10) TO (20);
SELECT * FROM state WHERE relation IN ('land.parted', 'land.part', 'land.decided');
ALTER TABLE land.parted DETACH PARTITION land.part;
SELECT * FROM state WHERE relation IN ('land.parted', 'land.part', 'land.decided');
-- a pattern that is deleted does nothing more
DELETE FROM ownership.mirrored_pattern;
CREATE TABLE land.off (id int PRIMARY KEY);
SELECT count(*) FROM map WHERE relation = 'land.off';

--
-- Partitions
--
CREATE TABLE stock (site text, sku text, qty int, PRIMARY KEY (site, sku)) PARTITION BY LIST (site);
CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
SELECT ownership.assign('stock', NULL, 'erp');
CREATE TABLE stock_b PARTITION OF stock FOR VALUES IN ('b') PARTITION BY LIST (sku);
CREATE TABLE stock_b1 PARTITION OF stock_b FOR VALUES IN ('1');
SELECT * FROM state WHERE relation = 'stock';
SET ownership.system = 'crm';
TRUNCATE stock_b1;
TRUNCATE stock_b;
RESET ownership.system;
-- attached: one with rows, one guarded for itself, one with partitions
CREATE TABLE stock_c (LIKE stock INCLUDING ALL);
ALTER TABLE stock ATTACH PARTITION stock_c FOR VALUES IN ('c');
CREATE TABLE stock_d (LIKE stock INCLUDING ALL);
SELECT ownership.assign('stock_d', '{qty}', 'crm');
ALTER TABLE stock ATTACH PARTITION stock_d FOR VALUES IN ('d');
CREATE TABLE stock_e (LIKE stock) PARTITION BY LIST (sku);
CREATE TABLE stock_e1 PARTITION OF stock_e FOR VALUES IN ('1');
ALTER TABLE stock ATTACH PARTITION stock_e FOR VALUES IN ('e');
SELECT * FROM state WHERE relation IN ('stock', 'stock_d');
SELECT relation, count(*), count(*) FILTER (WHERE clone) AS clones, string_agg(tgenabled::text, '' ORDER BY tgname) FROM triggers
WHERE relation::text LIKE 'stock%' GROUP BY 1 ORDER BY 1;
-- an ATTACH that fails leaves the guard where it was
CREATE TABLE stock_f (LIKE stock INCLUDING ALL);
SELECT ownership.assign('stock_f', NULL, 'crm');
ALTER TABLE stock ATTACH PARTITION stock_f FOR VALUES IN ('a');
SELECT relation, guarded FROM state WHERE relation = 'stock_f';
-- detached: its map was the table's above; what is on the map itself keeps its guard
ALTER TABLE stock DETACH PARTITION stock_c;
ALTER TABLE stock DETACH PARTITION stock_d;
ALTER TABLE stock DETACH PARTITION stock_a CONCURRENTLY;
SELECT relation, tgname FROM triggers WHERE relation IN ('stock_a'::regclass, 'stock_c'::regclass, 'stock_d'::regclass);
SELECT * FROM state WHERE relation IN ('stock', 'stock_d');
ALTER TABLE stock ATTACH PARTITION stock_a FOR VALUES IN ('a');
SELECT * FROM state WHERE relation = 'stock';
-- a partition and the table above it are renamed
ALTER TABLE stock_a RENAME TO stock_aa;
ALTER TABLE stock RENAME TO stock_level;
ALTER TABLE stock_level RENAME qty TO quantity;
SELECT * FROM state WHERE relation = 'stock_level';
SET ownership.system = 'crm';
UPDATE stock_aa SET quantity = 1;
INSERT INTO stock_aa VALUES ('a', '1', 1);
RESET ownership.system;
-- swapped with all its partitions
CREATE TABLE stock_new (LIKE stock_level INCLUDING ALL) PARTITION BY LIST (site);
CREATE TABLE stock_new_a PARTITION OF stock_new DEFAULT;
BEGIN;
ALTER TABLE stock_level RENAME TO stock_old;
ALTER TABLE stock_new RENAME TO stock_level;
COMMIT;
SELECT * FROM state WHERE relation = 'stock_level';
SELECT relation, tgname FROM triggers WHERE relation::text LIKE 'stock_old%' OR relation::text LIKE 'stock_b%';
-- a partition that is dropped
DROP TABLE stock_new_a;
SELECT * FROM state WHERE relation = 'stock_level';
-- one that another role owns
CREATE TABLE stock_l (LIKE stock_level INCLUDING ALL);
ALTER TABLE stock_l OWNER TO regress_loader;
ALTER TABLE stock_level ATTACH PARTITION stock_l FOR VALUES IN ('l');
SELECT * FROM state WHERE relation = 'stock_level';
-- one that is on the map itself, of a table that is not, is swapped
CREATE TABLE level (site text, qty int) PARTITION BY LIST (site);
CREATE TABLE level_a PARTITION OF level FOR VALUES IN ('a');
SELECT ownership.assign('level_a', '{qty}', 'erp');
BEGIN;
CREATE TABLE level_new (LIKE level);
ALTER TABLE level DETACH PARTITION level_a;
ALTER TABLE level ATTACH PARTITION level_new FOR VALUES IN ('a');
ALTER TABLE level_a RENAME TO level_old;
ALTER TABLE level_new RENAME TO level_a;
COMMIT;
SELECT * FROM state WHERE relation LIKE 'level%';
SELECT relation, tgname FROM triggers WHERE relation::text LIKE 'level%';
DELETE FROM ownership.mirrored_table WHERE table_name = 'level_a';
DROP TABLE level, level_old;
-- an unguarded table's partitions are left alone
SELECT ownership.unguard('stock_level');
CREATE TABLE stock_x PARTITION OF stock_level FOR VALUES IN ('x');
SELECT count(*) FROM triggers WHERE relation = 'stock_x'::regclass;

--
-- Inheritance children
--
CREATE TABLE base (id int PRIMARY KEY, price numeric);
CREATE TABLE other (id int NOT NULL, price numeric);
SELECT ownership.assign('base', NULL, 'erp');
CREATE TABLE child () INHERITS (base);
ALTER TABLE other INHERIT base;
SELECT * FROM state WHERE relation = 'base';
ALTER TABLE other NO INHERIT base;
SELECT relation, tgname FROM triggers WHERE relation = 'other'::regclass;
ALTER TABLE base RENAME price TO amount;
SET ownership.system = 'crm';
UPDATE child SET amount = 1;
INSERT INTO child VALUES (1, 1);
RESET ownership.system;

--
-- Triggers that are switched off stay so, and show; what is switched on again is armed
--
ALTER TABLE product DISABLE TRIGGER ALL;
TABLE found;
ALTER TABLE product RENAME TO product2;
ALTER TABLE product2 RENAME TO product;
SELECT tgname, tgenabled FROM triggers WHERE relation = 'product'::regclass;
ALTER TABLE product ENABLE TRIGGER USER;
SELECT tgname, tgenabled FROM triggers WHERE relation = 'product'::regclass;
ALTER TABLE product ENABLE REPLICA TRIGGER zzzz_ownership_judge;
TABLE found;
ALTER TABLE product ENABLE TRIGGER zzzz_ownership_judge;
TABLE found;
ALTER TABLE base DISABLE TRIGGER ALL;
ALTER TABLE base ENABLE TRIGGER ALL;
SELECT * FROM state WHERE relation = 'base';
-- all of it dropped by hand is a high risk, unguarding is not
DROP TRIGGER zzzz_ownership_amend ON product;
DROP TRIGGER zzzz_ownership_judge ON product;
DROP TRIGGER zzzz_ownership_truncate ON product;
TABLE found;
SELECT ownership.guard('product');
SELECT ownership.unguard('product');
TABLE found;
SELECT ownership.guard('product');
-- one that is renamed fires in another order
ALTER TRIGGER zzzz_ownership_amend ON product RENAME TO a;
TABLE found;
ALTER TRIGGER a ON product RENAME TO zzzz_ownership_amend;
-- the map's own triggers, too: as after a restore of data with --disable-triggers
CREATE TABLE before AS SELECT tgrelid, tgname, tgenabled FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
	WHERE c.relnamespace = 'ownership'::regnamespace AND c.relkind = 'r' AND NOT tgisinternal;
DO $$
DECLARE r regclass;
BEGIN
	FOR r IN SELECT DISTINCT tgrelid::regclass FROM before LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', r);
		EXECUTE format('ALTER TABLE %s ENABLE TRIGGER ALL', r);
	END LOOP;
END $$;
SELECT b.tgrelid::regclass, b.tgname, b.tgenabled, t.tgenabled AS now FROM before b JOIN pg_trigger t USING (tgrelid, tgname)
WHERE t.tgenabled <> b.tgenabled ORDER BY 1, 2;
-- and while a dump is restored they stay on
SET check_function_bodies = off;
ALTER TABLE ownership.mirrored_table DISABLE TRIGGER ALL;
SELECT count(*) FROM before b JOIN pg_trigger t USING (tgrelid, tgname) WHERE t.tgenabled <> b.tgenabled;
RESET check_function_bodies;
ALTER TABLE ownership.mirrored_table ENABLE TRIGGER ALL;
DROP TABLE before;
-- an event trigger that is switched off
ALTER EVENT TRIGGER ownership_end DISABLE;
TABLE found;
CREATE TABLE renamed_unseen (id int PRIMARY KEY);
ALTER TABLE product RENAME price TO cost;
ALTER TABLE product RENAME TO article;
SELECT relation, risk FROM found WHERE risk = 'broken_mirror';
-- the next DDL on the table sees it
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER TABLE article SET (fillfactor = 90);
SELECT column_name, field, guarded FROM map WHERE relation = 'article';
-- also when it took a name that another one had left
INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('land.*', 'erp');
CREATE TABLE land.article (id int PRIMARY KEY, cost numeric);
ALTER TABLE article RENAME TO article_old;
ALTER EVENT TRIGGER ownership_end DISABLE;
ALTER TABLE land.article SET SCHEMA public;
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER TABLE article ADD note text;
SELECT column_name, field, guarded FROM map WHERE relation = 'article';
DROP TABLE article_old;
SELECT column_name, field, guarded FROM map WHERE relation LIKE 'article%';
DELETE FROM ownership.mirrored_pattern;
-- so is a new table, and that it is without its guard shows
ALTER EVENT TRIGGER ownership_end DISABLE;
ALTER EVENT TRIGGER ownership_drop DISABLE;
DROP TABLE article;
CREATE TABLE article (id int PRIMARY KEY, cost numeric, title text);
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;
TABLE found;
ALTER TABLE article SET (fillfactor = 90);
SELECT * FROM state WHERE relation = 'article';
-- no event trigger fires for this
DROP TABLE article;
DO $$BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE article AS SELECT 1 AS id, 2.0 AS cost'; END$$;
TABLE found;

--
-- Foreign tables
--
CREATE FOREIGN DATA WRAPPER regress_nothing;
CREATE SERVER regress_nowhere FOREIGN DATA WRAPPER regress_nothing;
INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('land.f*', 'erp');
CREATE FOREIGN TABLE land.far (id int) SERVER regress_nowhere;
ALTER FOREIGN TABLE land.far RENAME COLUMN id TO no;
ALTER FOREIGN TABLE land.far ADD name text;
SELECT column_name, field FROM map WHERE relation = 'land.far';
SELECT tgname FROM triggers WHERE relation = 'land.far'::regclass AND tgname <> 'zzzz_ownership_truncate';	-- not before 16
DROP SERVER regress_nowhere CASCADE;
SELECT risk, relation FROM found WHERE relation = 'land.far';

DROP EXTENSION ownership CASCADE;
DROP SCHEMA land CASCADE;
DROP TABLE article, stock_level, stock_old, stock_c, stock_d, stock_f, base, other, renamed_unseen, vendor CASCADE;
DROP FOREIGN DATA WRAPPER regress_nothing;
DROP ROLE regress_erp, regress_crm, regress_loader, regress_editor;
