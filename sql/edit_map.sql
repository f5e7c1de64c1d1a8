-- The map: the functions that edit it, the views that show it, and that an
-- edit by plain SQL takes effect exactly as one by function.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_pim;

CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, sku text, list_price numeric, gross numeric GENERATED ALWAYS AS (list_price * 2) STORED, _synced timestamptz);
CREATE TABLE netsuite.customer (id int, seq int, name text, _synced timestamptz, PRIMARY KEY (id, seq));
CREATE TABLE netsuite.log (at timestamptz, line text);
CREATE TABLE netsuite.raw_item (doc jsonb);
CREATE TABLE netsuite."Odd Table" (id int PRIMARY KEY, "Odd Column" text);
CREATE VIEW netsuite.report AS SELECT * FROM netsuite.item;
CREATE TABLE netsuite.measure (id int, day date, value numeric, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE netsuite.measure_2024 PARTITION OF netsuite.measure FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE product (id int PRIMARY KEY, sku text UNIQUE, price numeric, title text, note text, total numeric GENERATED ALWAYS AS (price) STORED);
GRANT SELECT, INSERT, UPDATE, DELETE ON product TO regress_erp, regress_crm, regress_pim;
INSERT INTO product VALUES (1, 'A', 10, 'one', 'n'), (2, 'B', 10, 'two', 'n');

--
-- add_system, identify
--
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp', title => 'The big one');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.add_system(name => 'pim', kind => 'pim');
SELECT ownership.add_system('netsuite', 'a kind of our own');
TABLE ownership.system;
SELECT ownership.identify('pim', role => 'regress_pim', strict => true);
SELECT ownership.identify('erp', origin => 'debezium_erp', carrier => true, steward => true);
TABLE ownership.identity;
-- the same again changes its properties, and the last word counts
SELECT ownership.identify('pim', role => 'regress_pim');
SELECT strict, steward, carrier FROM ownership.identity WHERE name = 'regress_pim';

--
-- add_tables: every column of every table that matches
--
SELECT ownership.add_tables('netsuite.*', source => 'netsuite', readers => '{crm,pim}', exclude => '{netsuite.raw_*,netsuite.*._synced,netsuite.log.line}');
-- excluded are a table, a column of several tables, and one column; never
-- taken are views, generated columns, and partitions beside their table
SELECT relation, column_name, entity, field, owner, source, readers, writers, policy, guarded FROM ownership.map;
-- the primary key's columns are keys
SELECT entity, name FROM ownership.field WHERE key ORDER BY entity COLLATE "C", name COLLATE "C";
-- what was left out, of tables that are on the map
SELECT relation, column_name, data_type, source FROM ownership.unmapped;
-- again: nothing is new
SELECT ownership.add_tables('netsuite.*', source => 'netsuite', readers => '{crm,pim}', exclude => '{netsuite.raw_*,netsuite.*._synced,netsuite.log.line}');
-- a new column, a new table: on the map since they are there; what was decided stays
ALTER TABLE netsuite.item ADD weight numeric;
CREATE TABLE netsuite.vendor (id int PRIMARY KEY, name text);
UPDATE ownership.field SET owner = 'erp', policy = 'keep' WHERE (entity, name) = ('netsuite.item', 'sku');
DELETE FROM ownership.declared_access WHERE (entity, field) = ('netsuite.item', 'sku') AND system = 'pim';
SELECT ownership.add_tables('netsuite.*', source => 'netsuite', readers => '{crm,pim}', exclude => '{netsuite.raw_*,netsuite.*._synced,netsuite.log.line}');
SELECT relation, column_name, owner, source, readers, policy, guarded FROM ownership.map WHERE relation IN ('netsuite.item', 'netsuite.vendor');
-- owner is another than the source, or there is none; ? is one character
SELECT ownership.add_tables('netsuite.raw_?tem', source => 'netsuite', owner => 'erp');
SELECT ownership.add_tables('netsuite.log');
SELECT relation, column_name, owner, source FROM ownership.map WHERE relation IN ('netsuite.log', 'netsuite.raw_item');
-- a pattern without a schema is of public
SELECT ownership.add_tables('prod*', owner => 'erp', exclude => '{product.note}');
SELECT relation, column_name, entity, field, owner, source FROM ownership.map WHERE relation = 'product';

--
-- assign
--
-- all columns; the last owner counts; what is not given stays
SELECT ownership.assign('product', NULL, 'erp', readers => '{crm,pim}', rationale => 'first');
SELECT ownership.assign('product', '{title,note}', 'pim', writers => '{crm,pim}', policy => 'keep');
SELECT column_name, owner, readers, writers, policy FROM ownership.map WHERE relation = 'product';
SELECT name, key, rationale FROM ownership.field WHERE entity = 'product' ORDER BY name;
-- an empty list of readers is none, a NULL owner is nobody
SELECT ownership.assign('product', '{note}', NULL, readers => '{}', writers => '{}', policy => 'observe');
SELECT column_name, owner, readers, writers, policy FROM ownership.map WHERE relation = 'product' AND column_name = 'note';
-- fields of an entity; of a table with a quoted name
CREATE TABLE "Kunde" (id int PRIMARY KEY, "Name" text, "e-mail" text);
SELECT ownership.assign('"Kunde"', '{Name,e-mail}', 'crm', entity => 'customer');
SELECT ownership.assign('"Kunde"', '{id}', 'crm');
SELECT relation, column_name, entity, field, owner FROM ownership.map WHERE relation = '"Kunde"';
-- a column that has its field stays with it, whichever way it came there
SELECT ownership.assign('"Kunde"', NULL, 'erp');
SELECT entity, field, owner FROM ownership.map WHERE relation = '"Kunde"';
-- the guard came with it
SELECT relation, guarded, triggers, partitions, partitions_guarded, subscriptions, problems FROM ownership.guards ORDER BY relation COLLATE "C";

--
-- link: copies of one field
--
CREATE SCHEMA shop;
CREATE TABLE shop.variant (id int PRIMARY KEY, price numeric(10,2), amount int, sku varchar(20), label text);
INSERT INTO shop.variant VALUES (1, 10, 10, 'A', 'l');
-- columns that are fields of their own by default join: they, too, are on the map already
SELECT ownership.add_tables('shop.*', source => 'crm');
SELECT ownership.link('product.price', '{shop.variant.price,shop.variant.amount}');
SELECT relation, column_name, owner, source, authoritative FROM ownership.map WHERE (entity, field) = ('product', 'price');
-- the field that a column was is gone with it, and so is what was declared of it
SELECT name FROM ownership.field WHERE entity = 'shop.variant' ORDER BY name;
-- a copy may be authoritative; one of a field
SELECT ownership.link('product.price', '{shop.variant.price}', authoritative => 'shop.variant.price');
SELECT ownership.link('product.price', '{netsuite.item.list_price}', authoritative => 'netsuite.item.list_price');
SELECT relation, column_name, authoritative FROM ownership.map WHERE (entity, field) = ('product', 'price');
-- a link without that leaves it as it is, and so does the same link again
SELECT ownership.link('product.price', '{shop.variant.amount,shop.variant.price}');
SELECT relation, column_name FROM ownership.map WHERE authoritative;
-- a copy that is there already can become it
SELECT ownership.link('product.price', '{shop.variant.amount}', authoritative => 'product.price');
SELECT relation, column_name FROM ownership.map WHERE authoritative;
-- A column that was off the map; a field that is new takes over what was
-- decided for its authoritative copy.
CREATE TABLE shop.feed (code text PRIMARY KEY, label text, rest text);
SELECT ownership.link('article.label', '{shop.feed.label,shop.variant.label}', authoritative => 'shop.variant.label');
SELECT relation, column_name, owner, guarded, authoritative FROM ownership.map WHERE entity = 'article';
-- The key's column of a table marks the field that it becomes a copy of.
UPDATE ownership.field SET key = false WHERE (entity, name) = ('product', 'sku');
SELECT ownership.link('product.sku', '{shop.feed.code}');
SELECT key FROM ownership.field WHERE (entity, name) = ('product', 'sku');

--
-- The owner's field in every copy: what holds for one holds for all.
--
GRANT ALL ON SCHEMA shop, netsuite TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA shop TO PUBLIC;
SET ROLE regress_erp;
UPDATE product SET price = 11;
RESET ROLE;
UPDATE ownership.mirrored_table SET source = NULL WHERE table_schema = 'shop';
SET ROLE regress_crm;
UPDATE shop.variant SET amount = 12;
UPDATE product SET price = 12;
RESET ROLE;
-- but the source of a table may write all of its own copy
UPDATE ownership.mirrored_table SET source = 'crm' WHERE table_schema = 'shop';
SET ROLE regress_crm;
UPDATE shop.variant SET amount = 12;
RESET ROLE;

--
-- assign_rows: rules in the order in which they came
--
CREATE TABLE orders (id int PRIMARY KEY, status text, market text, total numeric);
GRANT ALL ON orders TO PUBLIC;
INSERT INTO orders VALUES (1, 'cart', 'de', 1), (2, 'paid', 'de', 1), (3, 'paid', 'fr', 1), (4, NULL, 'de', 1);
SELECT ownership.assign('orders', '{id,status,total}', 'erp');
SELECT ownership.assign_rows('orders', '{status,total}', 'crm', $$status IN ('cart', 'checkout')$$);
SELECT ownership.assign_rows('orders', '{total}', 'pim', $$market = 'fr' AND id > 0$$);
TABLE ownership.row_owner;
-- the same filter again changes who
SELECT ownership.assign_rows('orders', '{total}', 'crm', $$market = 'fr' AND id > 0$$);
TABLE ownership.row_owner;
SET ROLE regress_crm;
UPDATE orders SET status = 'checkout', total = 2 WHERE id = 1;
UPDATE orders SET total = 2 WHERE id = 3;
-- not where none holds (NULL does not hold)
UPDATE orders SET total = 2 WHERE id = 2;
UPDATE orders SET total = 2 WHERE id = 4;
RESET ROLE;
SET ROLE regress_erp;
UPDATE orders SET total = 2 WHERE id = 2;
UPDATE orders SET total = 2 WHERE id = 1;
RESET ROLE;

--
-- guard, unguard, guard_all
--
SELECT ownership.unguard('orders');
SELECT relation, guarded, triggers, problems FROM ownership.guards WHERE relation = 'orders';
SET ROLE regress_pim;
UPDATE orders SET total = 3 WHERE id = 1;
RESET ROLE;
SELECT ownership.unguard('orders');		-- again is no error
SELECT ownership.guard('orders');
SELECT relation, guarded, triggers, problems FROM ownership.guards WHERE relation = 'orders';
SELECT ownership.guard('orders');		-- again is no error
SET ROLE regress_pim;
UPDATE orders SET total = 4 WHERE id = 1;
RESET ROLE;
-- disarmed, and armed again
ALTER TABLE orders DISABLE TRIGGER USER;
SELECT guarded, problems FROM ownership.guards WHERE relation = 'orders';
SELECT ownership.guard('orders');
ALTER TABLE orders ENABLE TRIGGER ALL;	-- as a restore with --disable-triggers ends: they are armed again
SELECT guarded, problems FROM ownership.guards WHERE relation = 'orders';
SELECT ownership.guard('orders');
SELECT guarded, problems FROM ownership.guards WHERE relation = 'orders';
-- all that is on the map and is there; the rest is a warning
SELECT ownership.unguard('orders'), ownership.unguard('shop.feed'), ownership.unguard('netsuite.measure');
CALL ownership.guard_all('shop.*');
SELECT relation FROM ownership.guards WHERE NOT guarded ORDER BY relation;
INSERT INTO ownership.mirrored_table VALUES ('shop', 'gone');
CALL ownership.guard_all();
SELECT relation, problems FROM ownership.guards WHERE NOT guarded ORDER BY relation COLLATE "C";
SELECT relation, partitions, partitions_guarded FROM ownership.guards WHERE relation = 'netsuite.measure';
DELETE FROM ownership.mirrored_table WHERE table_name = 'gone';

--
-- explain
--
SELECT * FROM ownership.explain('product', 'price', 'erp');
SELECT * FROM ownership.explain('product', 'price', 'crm');
SELECT * FROM ownership.explain('product', 'title', 'crm');
SELECT * FROM ownership.explain('product', 'note', 'crm');
SELECT * FROM ownership.explain('product', 'total', 'crm');
SELECT * FROM ownership.explain('shop.variant', 'price', 'crm');
SELECT * FROM ownership.explain('orders', 'total', 'pim');
SELECT * FROM ownership.explain('orders', 'total', 'erp');
SELECT * FROM ownership.explain('netsuite.measure_2024', 'value', 'crm');
-- by default of who asks
SELECT allowed, outcome, reason FROM ownership.explain('product', 'price');
SET ROLE regress_erp;
SELECT ownership.current_system(), * FROM ownership.explain('product', 'price');
RESET ROLE;
SET ownership.enforcement = observe;
SELECT allowed, outcome, reason FROM ownership.explain('product', 'price', 'crm');
SET ownership.enforcement = off;
SELECT allowed, outcome, reason FROM ownership.explain('product', 'price', 'crm');
RESET ownership.enforcement;

--
-- An edit by plain SQL takes effect as one by function: at the next statement.
--
CREATE FUNCTION may(who text, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', who, false);
	EXECUTE what;
	PERFORM set_config('role', 'none', false);
	RETURN 'yes';
EXCEPTION WHEN insufficient_privilege THEN
	PERFORM set_config('role', 'none', false);
	RETURN SQLERRM;
END $$;
BEGIN;
-- owner
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
UPDATE ownership.field SET owner = 'crm' WHERE (entity, name) = ('product', 'price');
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
SELECT may('regress_erp', 'UPDATE product SET price = price + 1');
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'price');
SELECT may('regress_erp', 'UPDATE product SET price = price + 1');
-- a column comes and goes
SELECT ownership.assign('product', '{price}', 'erp');
DELETE FROM ownership.mirrored_column WHERE table_name = 'product' AND column_name = 'price';
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
INSERT INTO ownership.mirrored_column VALUES ('public', 'product', 'price', 'product', 'price');
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
-- a field, with its columns
DELETE FROM ownership.field WHERE (entity, name) = ('product', 'price');
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
-- its key
SELECT may('regress_crm', 'DELETE FROM product WHERE id = 1');
UPDATE ownership.field SET key = false WHERE entity = 'product';
SELECT may('regress_crm', 'DELETE FROM product WHERE id = 1');
-- a table; its source
SELECT may('regress_crm', 'UPDATE product SET sku = sku || 1');
UPDATE ownership.mirrored_table SET source = 'crm' WHERE table_name = 'product';
SELECT may('regress_crm', 'UPDATE product SET sku = sku || 1');
DELETE FROM ownership.mirrored_table WHERE table_name = 'product';
SELECT may('regress_pim', 'UPDATE product SET sku = sku || 1');
-- a row owner
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 2');
INSERT INTO ownership.row_owner VALUES ('public', 'orders', 'status', 0, 'id = 2', 'pim');
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 2');
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
UPDATE ownership.row_owner SET row_filter = 'id = 3' WHERE position = 0;
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 2');
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
-- an identity
DELETE FROM ownership.identity WHERE name = 'regress_pim';
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_pim', 'pim');
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
TRUNCATE ownership.identity;
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
-- rolled back
SAVEPOINT s;
TRUNCATE ownership.field, ownership.declared_access, ownership.mirrored_column, ownership.row_owner;
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
ROLLBACK TO s;
SELECT may('regress_pim', 'UPDATE orders SET status = status || 1 WHERE id = 3');
ROLLBACK;

--
-- Renaming a system renames it everywhere; one that owns, feeds or writes
-- anything is not deleted.
--
BEGIN;
UPDATE ownership.system SET name = 'sap' WHERE name = 'erp';
SELECT DISTINCT owner FROM ownership.field WHERE entity IN ('product', 'orders');
SELECT name, system FROM ownership.identity WHERE system = 'sap';
SELECT may('regress_erp', 'UPDATE product SET price = price + 1');
SELECT may('regress_crm', 'UPDATE product SET price = price + 1');
UPDATE ownership.system SET name = 'salesforce' WHERE name = 'crm';
SELECT DISTINCT source FROM ownership.mirrored_table WHERE table_schema = 'shop';
SELECT DISTINCT owner FROM ownership.row_owner;
SELECT DISTINCT system FROM ownership.declared_access ORDER BY system;
ROLLBACK;
INSERT INTO ownership.system (name) VALUES ('owner'), ('source'), ('rows'), ('writer'), ('reader');
INSERT INTO ownership.field (entity, name, owner) VALUES ('e', 'f', 'owner');
INSERT INTO ownership.mirrored_table VALUES ('no', 'where', 'source');
INSERT INTO ownership.mirrored_column VALUES ('no', 'where', 'f', 'e', 'f');
INSERT INTO ownership.row_owner VALUES ('no', 'where', 'f', 1, 'true', 'rows');
INSERT INTO ownership.identity (kind, name, system) VALUES ('origin', 'o', 'writer');
INSERT INTO ownership.declared_access VALUES ('e', 'f', 'reader', 'read');
DELETE FROM ownership.system WHERE name = 'owner';
DELETE FROM ownership.system WHERE name = 'source';
DELETE FROM ownership.system WHERE name = 'rows';
DELETE FROM ownership.system WHERE name = 'writer';
DELETE FROM ownership.system WHERE name = 'reader';		-- who only reads may go
SELECT count(*) FROM ownership.declared_access WHERE entity = 'e';

--
-- The map is data: rows for absent tables, columns, roles, subscriptions and
-- origins are fine, in any order, and create no trigger.
--
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_nobody', 'pim'), ('subscription', 'from_nowhere', 'pim'), ('origin', 'none', 'pim');
INSERT INTO ownership.field (entity, name, owner) VALUES ('late', 'a', 'pim'), ('late', 'zz', 'pim');
INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) VALUES ('public', 'late', 'a', 'late', 'a'), ('public', 'late', 'zz', 'late', 'zz'), ('far away', 'T', 'c', 'late', 'a');
INSERT INTO ownership.row_owner VALUES ('public', 'late', 'a', 1, 'b > 1', 'crm');
-- with the column comes its table
SELECT table_schema, table_name FROM ownership.mirrored_table WHERE table_name IN ('late', 'T') ORDER BY 1;
SELECT count(*) FROM ownership.map WHERE entity = 'late';
CREATE TABLE late (a int, b int);
INSERT INTO late VALUES (1, 1), (1, 2);
GRANT ALL ON late TO PUBLIC;
SELECT guarded, triggers, problems FROM ownership.guards WHERE relation = 'late';
SELECT may('regress_erp', 'UPDATE late SET a = 2');
SELECT ownership.guard('late');
SELECT may('regress_erp', 'UPDATE late SET a = 3');
SELECT may('regress_crm', 'UPDATE late SET a = 3 WHERE b = 2');
SELECT may('regress_pim', 'UPDATE late SET a = 3 WHERE b = 2');
-- a role that comes later is meant
CREATE ROLE regress_nobody;
SELECT may('regress_nobody', 'UPDATE late SET a = 3 WHERE b = 1');
-- nothing was created by a row
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zzzz_ownership%' AND tgrelid NOT IN (SELECT relid FROM ownership.guarded_relation);

--
-- The policy is the field's own, else its domain's, else the default.
--
INSERT INTO ownership.domain (name) VALUES ('plain');
UPDATE ownership.domain SET policy = 'observe' WHERE name = 'price';
SELECT ownership.assign('orders', '{total}', 'erp', domain => 'price', policy => 'keep');
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
UPDATE ownership.field SET policy = NULL WHERE (entity, name) = ('orders', 'total');
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
SELECT may('regress_pim', 'UPDATE orders SET total = 5 WHERE id = 2');
UPDATE ownership.domain SET policy = 'keep' WHERE name = 'price';
SELECT may('regress_pim', 'UPDATE orders SET total = 6 WHERE id = 2');
SELECT total FROM orders WHERE id = 2;
UPDATE ownership.domain SET policy = NULL WHERE name = 'price';
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
SELECT may('regress_pim', 'UPDATE orders SET total = 6 WHERE id = 2');
SET ownership.default_policy = 'fill';
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
SELECT may('regress_erp', 'UPDATE orders SET total = NULL WHERE id = 2');
SELECT may('regress_pim', 'UPDATE orders SET total = 7 WHERE id = 2');
SELECT total FROM orders WHERE id = 2;
RESET ownership.default_policy;
-- for the database, from the next session on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ownership.default_policy = observe', current_database()); END $$;
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
\c -
\set VERBOSITY terse
SELECT policy FROM ownership.map WHERE relation = 'orders' AND column_name = 'total';
SELECT outcome FROM ownership.explain('orders', 'total', 'pim');
SELECT may('regress_pim', 'UPDATE orders SET total = 8 WHERE id = 2');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ownership.default_policy', current_database()); END $$;
\c -
\set VERBOSITY terse
SELECT may('regress_pim', 'UPDATE orders SET total = 9 WHERE id = 2');

-- a pattern's dot is between schema and table; without one it is of public
CREATE SCHEMA product_archive;
CREATE TABLE product_archive.old (id int PRIMARY KEY);
-- (which the pattern of above has put on the map)
CREATE TABLE product_pattern (id int PRIMARY KEY);
SELECT ownership.add_tables('product_p*', owner => 'erp');
SELECT ownership.add_tables('product_*.o*', owner => 'erp');
SELECT table_schema, table_name FROM ownership.mirrored_table
WHERE table_name IN ('old', 'product_pattern') ORDER BY table_name COLLATE "C";
SELECT ownership.add_tables('product_archive*', owner => 'erp');
DROP TABLE product_pattern;
DROP SCHEMA product_archive CASCADE;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA netsuite, shop CASCADE;
DROP TABLE product, "Kunde", orders, late;
DROP FUNCTION may;
DROP ROLE regress_erp, regress_crm, regress_pim, regress_nobody;
