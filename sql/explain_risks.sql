-- Risks: each appears and disappears.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
-- an empty map is no risk
TABLE ownership.risks;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.add_system('pim', 'pim'), ownership.add_system('netsuite', 'erp');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, gross numeric GENERATED ALWAYS AS (price) STORED);
CREATE TABLE parted (id int PRIMARY KEY, price numeric) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE parted_21 PARTITION OF parted_2 FOR VALUES FROM (10) TO (15);
CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, sku text);
SELECT ownership.assign('product', '{id,price,title}', 'erp', readers => '{crm,pim}'), ownership.assign('parted', NULL, 'erp'),
	ownership.add_tables('netsuite.*', source => 'netsuite');
-- nor is a map with owners, keys and guards, whoever reads
TABLE ownership.risks;
CREATE VIEW found AS SELECT severity, risk, entity || '.' || field AS field, relation, column_name AS "column", systems FROM ownership.risks;

--
-- unowned: no system of record
--
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'price');
SELECT * FROM ownership.risks \gx
INSERT INTO ownership.declared_access VALUES ('product', 'price', 'pim', 'write');
SELECT detail, systems FROM ownership.risks;
-- a field without a column is one, too
INSERT INTO ownership.field (entity, name) VALUES ('customer', 'email');
TABLE found;
-- what is local does not cross a boundary
UPDATE ownership.field SET local = true WHERE (entity, name) = ('customer', 'email');
TABLE found;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'price');

--
-- contested: several writers, the owner among them or not
--
SELECT * FROM ownership.risks \gx
DELETE FROM ownership.declared_access WHERE mode = 'write';
TABLE found;
-- the owner as declared writer of its own field is one writer
INSERT INTO ownership.declared_access VALUES ('product', 'price', 'erp', 'write');
TABLE found;
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'price');
INSERT INTO ownership.declared_access VALUES ('product', 'price', 'pim', 'write');
TABLE found;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'price');
DELETE FROM ownership.declared_access WHERE mode = 'write';
TABLE found;

--
-- unowned_key: rows that everyone may create and delete
--
UPDATE ownership.field SET owner = NULL, local = true WHERE (entity, name) = ('product', 'id');
SELECT * FROM ownership.risks \gx
UPDATE ownership.field SET owner = 'erp', local = false, key = false WHERE (entity, name) = ('product', 'id');
SELECT * FROM ownership.risks \gx
-- a table with a source is the source's own
UPDATE ownership.field SET key = false WHERE entity = 'netsuite.item';
TABLE found;
UPDATE ownership.mirrored_table SET source = NULL WHERE table_schema = 'netsuite';
TABLE found;
UPDATE ownership.mirrored_table SET source = 'netsuite' WHERE table_schema = 'netsuite';
UPDATE ownership.field SET key = true WHERE name = 'id';
TABLE found;

--
-- unguarded: never guarded is one thing, a guard with a gap another
--
SELECT ownership.unguard('product');
SELECT * FROM ownership.risks \gx
SELECT ownership.guard('product');
ALTER TABLE product DISABLE TRIGGER zzzz_ownership_judge;
SELECT * FROM ownership.risks \gx
SELECT ownership.guard('product');
DROP TRIGGER zzzz_ownership_truncate ON product;
SELECT severity, risk, detail FROM ownership.risks;
SELECT ownership.guard('product');
ALTER TABLE product ENABLE REPLICA TRIGGER zzzz_ownership_amend;	-- no longer ALWAYS
SELECT severity, risk, detail FROM ownership.risks;
SELECT ownership.guard('product');
-- one of the partitions; TRUNCATE of one
ALTER TABLE parted_21 DISABLE TRIGGER zzzz_ownership_amend;
SELECT severity, risk, relation, detail FROM ownership.risks;
SELECT ownership.guard('parted');
CREATE TABLE parted_22 PARTITION OF parted_2 FOR VALUES FROM (15) TO (20);
DROP TRIGGER zzzz_ownership_truncate ON parted_22;
SELECT severity, risk, relation, detail FROM ownership.risks;
SELECT ownership.guard('parted');
TABLE found;

--
-- unmapped: columns of mirrored tables
--
ALTER TABLE product ADD weight numeric, ADD "Foreign Name" text;
SELECT * FROM ownership.risks \gx
SELECT ownership.assign('product', '{Foreign Name}', 'pim');
TABLE found;
ALTER TABLE product DROP weight;
TABLE found;

--
-- unidentified_feed: a subscription that feeds a guarded table, and is no system's
--
SET client_min_messages = error;
CREATE SUBSCRIPTION regress_sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
SET client_min_messages = warning;
-- as if tables had been subscribed
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT s.oid, 'netsuite.item'::regclass, 'r' FROM pg_subscription s WHERE subname = 'regress_sub';
SELECT * FROM ownership.risks \gx
SELECT subscriptions, truncate_note FROM ownership.guards WHERE relation = 'netsuite.item';
SELECT ownership.identify('netsuite', subscription => 'regress_sub');
TABLE found;
DELETE FROM ownership.identity WHERE kind = 'subscription';
SELECT ownership.unguard('netsuite.item');
TABLE found;
SELECT ownership.guard('netsuite.item');
DROP SUBSCRIPTION regress_sub;
TABLE found;

--
-- unknown_identity: a role or subscription that is not there, or is another
--
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_gone', 'erp'), ('subscription', 'regress_gone', 'crm'), ('origin', 'regress_gone', 'crm');
SELECT * FROM ownership.risks \gx
CREATE ROLE regress_gone;
DELETE FROM ownership.identity WHERE kind = 'subscription';
TABLE found;
INSERT INTO ownership.identity (kind, name, carrier) VALUES ('subscription', 'carrier', true);
TABLE found;
DELETE FROM ownership.identity WHERE name IN ('regress_gone', 'carrier');
DROP ROLE regress_gone;
TABLE found;

--
-- broken_mirror: a table or column that is not there, a filter that fails
--
INSERT INTO ownership.mirrored_table VALUES ('public', 'absent', 'erp');
INSERT INTO ownership.mirrored_table VALUES ('no schema', 'absent', 'erp');
SELECT * FROM ownership.risks \gx
DELETE FROM ownership.mirrored_table WHERE table_name = 'absent';
INSERT INTO ownership.field (entity, name, owner) VALUES ('product', 'gone', 'erp'), ('product', 'gross', 'erp');
INSERT INTO ownership.mirrored_column VALUES ('public', 'product', 'gone', 'product', 'gone'), ('public', 'product', 'gross', 'product', 'gross');
SELECT * FROM ownership.risks \gx
ALTER TABLE product ADD gone text;
DELETE FROM ownership.mirrored_column WHERE column_name = 'gross';
TABLE found;
-- a view takes the place of a table: the map went with the table
ALTER TABLE netsuite.item RENAME TO item_base;
CREATE VIEW netsuite.item AS SELECT * FROM netsuite.item_base;
TABLE found;
SELECT relation, guarded FROM ownership.guards WHERE table_schema = 'netsuite';
DROP VIEW netsuite.item;
ALTER TABLE netsuite.item_base RENAME TO item;
TABLE found;
-- a filter whose column goes: fails closed, and says so
SELECT ownership.assign_rows('product', '{price}', 'crm', $$title = 'x'$$);
GRANT ALL ON product TO PUBLIC;
SET ROLE regress_erp;
INSERT INTO product (id, price, title) VALUES (1, 1, 'y');
RESET ROLE;
TABLE found;
ALTER TABLE product DROP title, ADD name text;
UPDATE ownership.mirrored_column SET column_name = 'name' WHERE table_name = 'product' AND column_name = 'title';
SELECT * FROM ownership.risks \gx
SET ROLE regress_erp;
UPDATE product SET price = 2;
RESET ROLE;
UPDATE ownership.row_owner SET row_filter = $$name = 'x'$$;
TABLE found;
SET ROLE regress_erp;
UPDATE product SET price = 2;
RESET ROLE;

--
-- The worst come first.
--
SELECT ownership.unguard('parted');
ALTER TABLE product DISABLE TRIGGER USER;
ALTER TABLE product ADD unmapped int;
INSERT INTO ownership.mirrored_table VALUES ('public', 'absent');
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_gone', 'erp');
UPDATE ownership.field SET owner = NULL WHERE name IN ('id', 'price') AND entity = 'product';
INSERT INTO ownership.declared_access VALUES ('product', 'price', 'pim', 'write'), ('product', 'price', 'crm', 'write'), ('product', 'title', 'pim', 'write');
TABLE found;
SELECT bool_and(detail LIKE '%.' AND advice <> '') AS told FROM ownership.risks;
-- anyone may look, also at what is not his
SET ROLE regress_crm;
SELECT count(*) FROM ownership.risks;
RESET ROLE;

-- a query of a view is not compiled, however much the planner expects of it: that would take longer than to run it
SET jit = on;
SET jit_above_cost = 0;
CREATE FUNCTION is_compiled(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
	compiled boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' || query LOOP
		compiled := compiled OR line ~ '^JIT:';
	END LOOP;
	RETURN compiled;
END $$;
SELECT is_compiled('TABLE ownership.risks') AS risks, is_compiled('SELECT * FROM ownership.map m JOIN product p ON true') AS map,
	is_compiled('SELECT * FROM product WHERE price > 1') = pg_jit_available() AS other;
RESET jit;
RESET jit_above_cost;
DROP FUNCTION is_compiled;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA netsuite CASCADE;
DROP TABLE product, parted;
DROP ROLE regress_erp, regress_crm;
