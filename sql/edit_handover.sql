-- hand_over(): fields pass from one system to another at a moment
\set VERBOSITY default
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION ownership;
CREATE ROLE regress_erp; CREATE ROLE regress_sap; CREATE ROLE regress_shop; CREATE ROLE regress_clerk;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('sap', 'erp', role => 'regress_sap');
SELECT ownership.add_system('shop', 'storefront', role => 'regress_shop');
CREATE TABLE product (sku text PRIMARY KEY, price int, name text, stock int, amount int, currency text);
CREATE SCHEMA erp;
CREATE TABLE erp.item (id int PRIMARY KEY, price int);
INSERT INTO product VALUES ('A', 1, 'a', 1, 1, 'EUR'), ('B', 1, 'b', 1, 1, 'EUR');
GRANT ALL ON product TO PUBLIC;
SET client_min_messages = warning;
SELECT ownership.assign('product', '{sku,price,name}', 'erp', readers => '{sap,shop}', policy => 'keep');
SELECT ownership.assign('product', '{stock}', 'shop', policy => 'keep');
SELECT ownership.assign('product', '{amount,currency}', 'erp', policy => 'keep', column_group => 'money');
SELECT ownership.assign_rows('product', '{stock}', 'erp', 'sku = ''B''');
SELECT ownership.add_tables('erp.*', 'erp');
RESET client_min_messages;
-- the owners that the map shows and by which the guard judges
CREATE FUNCTION owners(pattern text DEFAULT '%') RETURNS TABLE (field text, stored text, map text, sheet text, matrix text, explained text)
LANGUAGE sql AS $$ SELECT f.entity || '.' || f.name, f.owner, m.owner, s.owner, x.owner,
		CASE WHEN m.relation = 'product' THEN (SELECT e.owner FROM ownership.explain('product', m.column_name::name, 'shop') e) END
	FROM ownership.field f LEFT JOIN ownership.map m ON (m.entity, m.field) = (f.entity, f.name)
	JOIN ownership.sheet s ON (s.entity, s.field) = (f.entity, f.name) JOIN ownership.matrix x ON (x.entity, x.field) = (f.entity, f.name)
	WHERE f.entity || '.' || f.name LIKE pattern ORDER BY 1 $$;
CREATE FUNCTION plan() RETURNS TABLE (entity text, field text, from_system text, to_system text, state text, passed text[])
LANGUAGE sql AS $$ SELECT entity, field, from_system, to_system, CASE WHEN done_at IS NOT NULL THEN 'done' WHEN at <= statement_timestamp() THEN 'due' ELSE 'planned' END, passed
	FROM ownership.handover ORDER BY at, entity COLLATE "C", field COLLATE "C", from_system $$;

-- what a dry run tells; it writes nothing
SELECT * FROM ownership.hand_over('*', 'erp', 'sap', '2100-01-01');
SELECT * FROM ownership.hand_over('*', 'erp', 'sap');
SELECT * FROM plan();
SELECT count(*) FROM ownership.map_history WHERE map_table = 'handover';
SELECT what, name FROM ownership.hand_over('product.pri*', 'erp', 'sap') WHERE what <> 'identity';
SELECT what, name, note FROM ownership.hand_over('product.stock', 'shop', 'sap') ORDER BY 1;

-- errors
SELECT ownership.hand_over('product.price', 'epr', 'sap');
SELECT ownership.hand_over('product.price', 'erp', 'spa', dry_run => false);
SELECT ownership.hand_over('product.price', 'erp', 'erp');
SELECT ownership.hand_over(NULL, 'erp', 'sap');
SELECT ownership.hand_over('product.price', 'erp', 'sap', NULL);
SELECT ownership.hand_over('product.price', 'erp', 'sap', 'infinity');
SELECT ownership.hand_over('product.prize', 'erp', 'sap');
SELECT ownership.hand_over('produkt.*', 'erp', 'sap');
SELECT ownership.hand_over('price', 'erp', 'sap');
SELECT * FROM ownership.hand_over('product.stock', 'sap', 'erp', dry_run => false);
-- a group passes as a whole
SELECT ownership.hand_over('product.amount', 'erp', 'sap');
SELECT ownership.hand_over('product.amount', 'erp', 'sap', dry_run => false);
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('product', 'amount', 'erp', 'sap', '2100-01-01');
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('product', 'amount', 'erp', 'nobody', '2100-01-01');
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('product', 'amount', 'erp', 'erp', '2100-01-01');
BEGIN;
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('product', 'amount', 'erp', 'sap', '2100-01-01'), ('product', 'currency', 'erp', 'sap', '2100-01-01');
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM ownership.handover WHERE field = 'amount';
COMMIT;
-- without the privileges to edit the map nothing is planned
SET ROLE regress_clerk;
SELECT what, name FROM ownership.hand_over('product.price', 'erp', 'sap') WHERE what = 'field';
SELECT ownership.hand_over('product.price', 'erp', 'sap', '2100-01-01', dry_run => false);
RESET ROLE;
GRANT INSERT ON ownership.handover TO regress_clerk;
SET ROLE regress_clerk;
SELECT ownership.hand_over('product.price', 'erp', 'sap', '2100-01-01', dry_run => false);
RESET ROLE;
GRANT UPDATE (owner, decided_by, decided_on) ON ownership.field TO regress_clerk;
SET ROLE regress_clerk;
SELECT what, name FROM ownership.hand_over('product.price', 'erp', 'sap', '2100-01-01', dry_run => false) WHERE what = 'field';
SELECT what, name FROM ownership.hand_over('product.name', 'erp', 'sap', dry_run => false) WHERE what = 'field';
RESET ROLE;
SELECT * FROM plan();
SELECT * FROM owners('product.%e');
REVOKE ALL ON ownership.handover FROM regress_clerk;
REVOKE UPDATE (owner, decided_by, decided_on) ON ownership.field FROM regress_clerk;

-- several handovers of one field: in the order of their moments
SELECT what, name FROM ownership.hand_over('product.price', 'erp', 'shop', '2090-01-01', dry_run => false) WHERE what = 'field';
SELECT what, name FROM ownership.hand_over('product.price', 'erp', 'shop', '2110-01-01', dry_run => false) WHERE what = 'field';
SELECT what, name FROM ownership.hand_over('product.price', 'sap', 'shop', '2110-01-01', dry_run => false) WHERE what = 'field';
SELECT what, name FROM ownership.hand_over('product.price', 'shop', 'erp', '2110-01-01', dry_run => false) WHERE what = 'field';
SELECT * FROM plan() WHERE state = 'planned';
-- an edit of the owner cancels them; one that leaves it as it is does not
SELECT ownership.assign('product', '{price}', 'erp');
UPDATE ownership.field SET label = 'Price' WHERE name = 'price' AND entity = 'product';
SELECT count(*) FROM plan() WHERE state = 'planned';
UPDATE ownership.field SET owner = 'shop' WHERE (entity, name) = ('product', 'price');
SELECT * FROM plan();
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'price');
-- so do passing at once, and deleting the field
SELECT what FROM ownership.hand_over('product.price', 'erp', 'sap', '2100-01-01', dry_run => false) WHERE what = 'field';
SELECT what FROM ownership.hand_over('product.price', 'erp', 'shop', dry_run => false) WHERE what = 'field';
SELECT what FROM ownership.hand_over('product.price', 'shop', 'erp', dry_run => false) WHERE what = 'field';
INSERT INTO ownership.field (entity, name, owner) VALUES ('product', 'old', 'erp');
SELECT what FROM ownership.hand_over('product.old', 'erp', 'sap', '2100-01-01', dry_run => false) WHERE what = 'field';
-- a system that is named cannot be deleted; its new name is followed
INSERT INTO ownership.system VALUES ('pim', 'pim');
SELECT what FROM ownership.hand_over('product.old', 'sap', 'pim', '2101-01-01', dry_run => false) WHERE what = 'field';
DELETE FROM ownership.system WHERE name = 'pim';
UPDATE ownership.system SET name = 'akeneo' WHERE name = 'pim';
UPDATE ownership.field SET name = 'ancient' WHERE name = 'old';
SELECT * FROM plan() WHERE state = 'planned';
DELETE FROM ownership.field WHERE name = 'ancient';
DELETE FROM ownership.system WHERE name = 'akeneo';
SELECT * FROM plan();
TRUNCATE ownership.handover;

-- the moment: what is due, and not written yet, is in force
SELECT * FROM owners('product.name');
SELECT what, name FROM ownership.hand_over('product.*', 'sap', 'erp', dry_run => false) WHERE what IN ('field', 'row owner');
PREPARE set_price(int) AS UPDATE product SET price = $1 WHERE sku = 'A';
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_erp;
EXECUTE set_price(2);
SET ROLE regress_sap;
EXECUTE set_price(3);
RESET ROLE;
SELECT price FROM product WHERE sku = 'A';
SELECT what, count(*) FROM ownership.hand_over('*', 'erp', 'sap', clock_timestamp() + '400 ms', decided_by => 'board', note => 'the new ERP', dry_run => false) GROUP BY what ORDER BY what;
-- the worker cannot write it before the transaction ends
BEGIN;
LOCK TABLE ownership.handover IN SHARE ROW EXCLUSIVE MODE;
SET ROLE regress_erp;
EXECUTE set_price(4);
-- a statement that began before the moment is judged by the owner of its beginning, however long it takes
UPDATE product SET name = 'c' WHERE pg_sleep(0.6) IS NOT NULL;
SET ROLE regress_sap;
SELECT price, name FROM product WHERE sku = 'A';
EXECUTE set_price(5);
UPDATE product SET amount = 5, currency = 'USD';
UPDATE product SET stock = 5 WHERE sku = 'B';
SET ROLE regress_erp;
EXECUTE set_price(6);
UPDATE product SET amount = 6;
UPDATE product SET stock = 6 WHERE sku = 'B';
RESET ROLE;
SELECT * FROM product ORDER BY sku;
SELECT * FROM owners();
SELECT row_owners FROM ownership.map WHERE relation = 'product' AND column_name = 'stock';
SELECT * FROM ownership.explain('product', 'price', 'erp');
-- what the new owner said before, and is not stored, is a disagreement, and stays one
SELECT column_name, system, owner, refused, stored FROM ownership.disagreements ORDER BY 1, 2, 4;
SELECT * FROM plan();
COMMIT;
-- written by the next flush()
SET client_min_messages = warning;
SELECT ownership.flush();
RESET client_min_messages;
SELECT * FROM plan();
SELECT * FROM owners();
SELECT pattern, source, owner FROM ownership.mirrored_pattern;
SELECT column_name, owner FROM ownership.row_owner;
SELECT name, decided_by, decided_on IS NOT NULL AS decided_on FROM ownership.field WHERE decided_by IS NOT NULL ORDER BY 1;
SELECT new ->> 'from_system' AS from_system, new ->> 'to_system' AS to_system, new ->> 'decided_by' AS decided_by, new ->> 'note' AS note, count(*)
FROM ownership.map_history WHERE map_table = 'handover' AND new ? 'done_at' AND new ->> 'decided_by' IS NOT NULL GROUP BY 1, 2, 3, 4;
SELECT regexp_replace(decided, '2\d\d\d-.*', '...') AS decided, old, new, items FROM ownership.decisions WHERE decided LIKE 'handover%' ORDER BY first_id DESC LIMIT 4;
SELECT decided, old, new FROM ownership.decisions WHERE decided = 'owner' ORDER BY first_id DESC LIMIT 1;
SELECT ownership.handover_due();

-- columns that appear under a pattern: by its owner in force
ALTER TABLE erp.item ADD COLUMN weight int;
SELECT * FROM owners('erp%');

-- going back is the same call; a later moment of the pattern is for its new columns, too
SELECT what, count(*) FROM ownership.hand_over('*', 'sap', 'erp', '2100-01-01', dry_run => false) GROUP BY what ORDER BY what;
ALTER TABLE erp.item ADD COLUMN height int;
SELECT * FROM plan() WHERE entity LIKE 'erp%' AND state = 'planned';
-- the sheet, exported and imported, cancels nothing, also where the owner in force is not written yet
BEGIN;
UPDATE ownership.handover SET at = now() - interval '1 hour' WHERE done_at IS NULL;
ALTER TABLE erp.item ADD COLUMN depth int;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT * FROM owners('erp%depth');
SELECT what FROM ownership.hand_over('product.price', 'erp', 'shop', '2100-01-01', dry_run => false) WHERE what = 'field';
CREATE TEMP TABLE exported AS TABLE ownership.sheet;
INSERT INTO ownership.sheet SELECT * FROM exported;
SELECT entity, field, from_system, to_system, state FROM plan() WHERE state <> 'done' OR field = 'price';
SELECT * FROM owners('product.%');
TRUNCATE ownership.handover;
COMMIT;

-- one transaction: at once, again and back; what is rolled back was not
BEGIN;
SELECT what FROM ownership.hand_over('product.price', 'erp', 'sap', dry_run => false) WHERE what = 'field';
SAVEPOINT s;
SELECT what FROM ownership.hand_over('product.price', 'sap', 'shop', dry_run => false) WHERE what = 'field';
SELECT * FROM owners('product.price');
ROLLBACK TO s;
SELECT * FROM owners('product.price');
DO $$ BEGIN
	PERFORM ownership.hand_over('product.price', 'sap', 'erp', dry_run => false);
	PERFORM ownership.hand_over('product.price', 'erp', 'sap', dry_run => false);
	PERFORM ownership.hand_over('product.price', 'sap', 'erp', clock_timestamp(), dry_run => false);
	PERFORM ownership.hand_over('product.price', 'erp', 'sap', dry_run => false);
	UPDATE product SET price = 7 WHERE sku = 'A';
END $$;
SELECT * FROM owners('product.price');
COMMIT;
SELECT * FROM plan();
TRUNCATE ownership.handover;
SELECT ownership.assign('product', '{price}', 'erp');
-- two systems swap at one moment
SELECT what FROM ownership.hand_over('product.stock', 'erp', 'shop', '2100-01-01', dry_run => false) WHERE what IN ('field', 'row owner');
SELECT what FROM ownership.hand_over('product.stock', 'shop', 'erp', '2100-01-01', dry_run => false) WHERE what IN ('field', 'row owner');
BEGIN;
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('product', 'stock', 'shop', 'sap', '2000-01-01'), ('product', 'stock', 'sap', 'shop', '2000-01-01');
SELECT owner, row_owners FROM ownership.map WHERE column_name = 'stock';
SELECT ownership.handover_due();
SELECT owner, row_owners FROM ownership.map WHERE column_name = 'stock';
COMMIT;
SELECT * FROM plan();

DROP TABLE product;
DROP SCHEMA erp CASCADE;
DROP FUNCTION owners, plan;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_sap, regress_shop, regress_clerk;
