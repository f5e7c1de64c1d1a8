-- Making the shared copies of a field agree.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_steward;
CREATE ROLE regress_stranger;
CREATE SCHEMA erp;
CREATE SCHEMA shop;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim'), ownership.add_system('shop', 'storefront');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
CREATE TABLE erp.item (item_code text PRIMARY KEY, list_price numeric(12,4), name text);
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), title text, hits int DEFAULT 0);
CREATE TABLE shop.variant (sku text PRIMARY KEY, price numeric);
INSERT INTO erp.item VALUES ('A1', 9.9, 'Lamp'), ('A2', 20, 'Desk'), ('A3', NULL, 'Chair'), ('A4', 4, NULL), ('A5', 5, 'Sofa');
INSERT INTO product VALUES ('A1', 9.90, 'Lamp'), ('A2', 19, 'Desk'), ('A3', 3, 'chair'), ('A4', NULL, 'Bed'), ('A9', 9, 'Bin');
INSERT INTO shop.variant VALUES ('A1', 8), ('A2', 20);
SELECT ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('shop.*', source => 'shop'), ownership.assign('product', '{sku,price}', 'erp'), ownership.assign('product', '{title}', 'pim', policy => 'keep');
SELECT ownership.link('product.sku', '{erp.item.item_code, shop.variant.sku}'), ownership.link('product.price', '{erp.item.list_price, shop.variant.price}'), ownership.link('product.title', '{erp.item.name}', authoritative => 'erp.item.name');
SET client_min_messages = notice;

--
-- A dry run counts; a run writes shared copies only, and leaves rows that are on one side alone.
--
SELECT ownership.reconcile('product.price', dry_run => true);
SELECT sku, price FROM product ORDER BY sku;
SELECT ownership.reconcile('product.price');
SELECT sku, price FROM product ORDER BY sku;
SELECT sku, price FROM shop.variant ORDER BY sku;
SELECT * FROM ownership.drift('product.price');
-- what it did is evidence: who, what stood there, what was written
SELECT row_key, operation, system, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY row_key ->> 'sku';
-- again there is nothing to do
SELECT ownership.reconcile('product.price'), ownership.reconcile('product.price', true);
TRUNCATE ownership.conflict;

--
-- Who may: the owner (it is his own write, and no evidence), a steward, a superuser; nobody else.
--
GRANT USAGE ON SCHEMA erp TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA erp TO PUBLIC;
GRANT SELECT, UPDATE ON product TO regress_erp, regress_pim, regress_steward, regress_stranger;
CREATE FUNCTION spoil() RETURNS void LANGUAGE SQL AS $$
	SELECT set_config('ownership.enforcement', 'off', false);
	UPDATE product SET price = 1 WHERE sku IN ('A1', 'A2');
	TRUNCATE ownership.conflict;
	SELECT set_config('ownership.enforcement', 'on', false);
$$;
SELECT spoil();
SET ROLE regress_pim;
SELECT ownership.reconcile('product.price');
SET ROLE regress_stranger;
SELECT ownership.reconcile('product.price');
CALL ownership.reconcile_all('product.price');
-- a dry run shows nothing that he could not read anyway
SELECT ownership.reconcile('product.price', true);
SET ROLE regress_erp;
SELECT ownership.reconcile('product.price');
RESET ROLE;
SELECT count(*) FROM ownership.conflict;
SELECT spoil();
SET ROLE regress_steward;
SELECT ownership.reconcile('product.price');
RESET ROLE;
SELECT system, role, outcome, stored, proposed FROM ownership.conflict ORDER BY row_key ->> 'sku';
-- a function that runs as a superuser does not make its caller one
SELECT spoil();
CREATE FUNCTION reconcile_for_all() RETURNS bigint LANGUAGE SQL SECURITY DEFINER RETURN ownership.reconcile('product.price');
SET ROLE regress_stranger;
SELECT reconcile_for_all();
RESET ROLE;
-- the table's own privileges count, too
REVOKE UPDATE ON product FROM regress_steward;
SET ROLE regress_steward;
SELECT ownership.reconcile('product.price');
RESET ROLE;
GRANT UPDATE ON product TO regress_steward;
-- a superuser is a steward for nothing else: afterwards he is nobody again, and what a trigger writes meanwhile is judged as ever
CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE product SET title = upper(title) WHERE sku = NEW.sku; RETURN NEW; END$$;
CREATE TRIGGER also AFTER UPDATE OF price ON product FOR EACH ROW EXECUTE FUNCTION also();
SELECT ownership.reconcile('product.price');
SELECT row_key ->> 'sku' AS sku, outcome, columns FROM ownership.conflict ORDER BY id;
DROP TRIGGER also ON product;
\set VERBOSITY sqlstate
UPDATE product SET price = 0 WHERE sku = 'A1';
\set VERBOSITY default
SELECT title FROM product WHERE sku = 'A2';
UPDATE product SET title = 'desk' WHERE sku = 'A2';

--
-- Policy keep, and a field that nobody owns.
--
SELECT ownership.reconcile('product.title');
SELECT sku, title FROM product ORDER BY sku;
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'title');
UPDATE product SET title = 'x' WHERE sku = 'A1';
SET ROLE regress_stranger;
SELECT ownership.reconcile('product.title');
RESET ROLE;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'title');

--
-- Rows that another system owns are left as they are.
--
SELECT ownership.assign_rows('product', '{price}', 'pim', $$sku = 'A2'$$), ownership.assign_rows('product', '{price}', NULL, $$sku = 'A3'$$);
SET ownership.enforcement = off;
UPDATE product SET price = 2 WHERE sku <> 'A9';
RESET ownership.enforcement;
SELECT ownership.reconcile('product.price');
SELECT row_key, copy_value, relation FROM ownership.drift('product.price');
DELETE FROM ownership.row_owner;

--
-- Batches: restartable with max_rows, committing with reconcile_all.
--
SET ownership.enforcement = off;
INSERT INTO erp.item SELECT 'B' || i, i, 'b' FROM generate_series(1, 2500) i;
INSERT INTO product SELECT 'B' || i, 0, 'b' FROM generate_series(1, 2500) i;
RESET ownership.enforcement;
TRUNCATE ownership.conflict;
SELECT ownership.reconcile('product.price', max_rows => 1200);
SELECT ownership.reconcile('product.price', max_rows => 1);
SELECT ownership.reconcile('product.price', max_rows => 0);
SELECT ownership.reconcile('product.price', dry_run => NULL);
BEGIN;
CALL ownership.reconcile_all('product.price');
ROLLBACK;
CALL ownership.reconcile_all('product.*', batch_size => 500);
SELECT count(*) FROM ownership.drift('product.price') WHERE relation = 'product';
SELECT count(*) FROM ownership.conflict WHERE outcome = 'overridden';
CALL ownership.reconcile_all('nothing.*');
CALL ownership.reconcile_all('*', 0);
CALL ownership.reconcile_all(NULL);

--
-- Rows that cannot be written do not stop the others; too many do.
--
ALTER TABLE product ADD CONSTRAINT reasonable CHECK (price < 4000);
CREATE FUNCTION reset_b() RETURNS void LANGUAGE SQL AS $$
	SELECT set_config('ownership.enforcement', 'off', false);
	UPDATE product SET price = 0 WHERE sku ~ '^B';
	SELECT set_config('ownership.enforcement', 'on', false);
$$;
SELECT reset_b();
SET ownership.enforcement = off;
UPDATE erp.item SET list_price = CASE WHEN item_code IN ('B7', 'B8') THEN 5000 ELSE 7 END WHERE item_code ~ '^B';
RESET ownership.enforcement;
SELECT ownership.reconcile('product.price');
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price') WHERE relation = 'product';
SET ownership.enforcement = off;
UPDATE erp.item SET list_price = 5000 WHERE item_code ~ '^B';
RESET ownership.enforcement;
SELECT ownership.reconcile('product.price');
SET client_min_messages = warning;
SET ownership.enforcement = off;
DELETE FROM erp.item WHERE item_code ~ '^B';
DELETE FROM product WHERE sku ~ '^B';
RESET ownership.enforcement;
ALTER TABLE product DROP CONSTRAINT reasonable;
SET client_min_messages = notice;

--
-- A value that the copy's type cannot hold exactly is written once, and stays a difference.
--
SET ownership.enforcement = off;
UPDATE erp.item SET list_price = 9.9051 WHERE item_code = 'A1';
RESET ownership.enforcement;
SELECT ownership.reconcile('product.price');
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price') WHERE relation = 'product';
SELECT ownership.reconcile('product.price');
SELECT ownership.reconcile('product.price', max_rows => 10);

--
-- One authoritative row must be meant.
--
ALTER TABLE erp.item DROP CONSTRAINT item_pkey;
SET ownership.enforcement = off;
INSERT INTO erp.item VALUES ('A2', 21, 'Desk 2');
RESET ownership.enforcement;
SELECT row_key, source_value, copy_value, relation FROM ownership.drift('product.price') WHERE relation = 'product';
SELECT ownership.reconcile('product.price');
SET ownership.enforcement = off;
DELETE FROM erp.item WHERE list_price = 21;
RESET ownership.enforcement;
SELECT ownership.reconcile('product.price');

--
-- Several shared copies, other types, partitions and children, awkward names; triggers with a search_path of their own.
--
CREATE SCHEMA hub;
CREATE TABLE hub.log (what text);
CREATE TABLE hub."Preis ""neu""" (site int, "SKU" varchar(10), "Wert in €" text) PARTITION BY LIST (site);
CREATE TABLE hub.p1 PARTITION OF hub."Preis ""neu""" FOR VALUES IN (1);
CREATE TABLE hub.p2 ("Wert in €" text, gone int, "SKU" varchar(10), site int);
ALTER TABLE hub.p2 DROP gone;
ALTER TABLE hub."Preis ""neu""" ATTACH PARTITION hub.p2 DEFAULT;
CREATE TABLE hub.parent (sku text, price float8);
CREATE TABLE hub.child () INHERITS (hub.parent);
INSERT INTO hub."Preis ""neu""" VALUES (1, 'A2', '20.0'), (1, 'A4', 'vier'), (2, 'A5', NULL), (3, 'A4', '4');
INSERT INTO hub.parent VALUES ('A2', 1);
INSERT INTO hub.child VALUES ('A4', 4), ('A5', 0);
SELECT ownership.assign('hub."Preis ""neu"""', '{SKU}', 'erp', entity => 'hub.preis'), ownership.assign('hub.parent', NULL, 'erp');
UPDATE ownership.mirrored_column SET entity = 'product', field = 'sku' WHERE column_name IN ('SKU', 'sku') AND table_schema = 'hub';
INSERT INTO ownership.mirrored_column VALUES ('hub', 'Preis "neu"', 'Wert in €', 'product', 'price', false);
UPDATE ownership.mirrored_column SET entity = 'product', field = 'price' WHERE (table_schema, column_name) = ('hub', 'price');
DELETE FROM ownership.field WHERE entity IN ('hub.preis', 'hub.parent');
CREATE FUNCTION hub.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES (TG_TABLE_NAME); RETURN NEW; END$$;
CREATE TRIGGER note AFTER UPDATE ON hub."Preis ""neu""" FOR EACH ROW EXECUTE FUNCTION hub.note();
SET search_path = hub, public;
SELECT ownership.reconcile('product.price');
RESET search_path;
TABLE hub."Preis ""neu""" ORDER BY 1, 2;
TABLE hub.parent ORDER BY 1;
SELECT * FROM hub.log ORDER BY 1;
SELECT relation, row_key, source_value, copy_value FROM ownership.drift('product.price') WHERE relation <> 'shop.variant';

--
-- Nothing to write, or nothing that could be compared.
--
UPDATE ownership.mirrored_table SET source = 'pim' WHERE source IS NULL;
SELECT ownership.reconcile('product.price');
UPDATE ownership.mirrored_table SET source = NULL WHERE source = 'pim';
SELECT ownership.reconcile('product.none');
UPDATE ownership.field SET key = false WHERE (entity, name) = ('product', 'sku');
SELECT ownership.reconcile('product.price');
UPDATE ownership.field SET key = true WHERE (entity, name) = ('product', 'sku');
DROP TABLE hub.parent CASCADE;
\set VERBOSITY terse
SELECT ownership.reconcile('product.price');

SET client_min_messages = warning;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp, shop, hub CASCADE;
DROP TABLE product;
DROP FUNCTION spoil, reset_b, also;
DROP ROLE regress_erp, regress_pim, regress_steward, regress_stranger;
