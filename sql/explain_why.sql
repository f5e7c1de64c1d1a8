-- "Why did my price not arrive?"
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_reader;
CREATE SCHEMA erp;
CREATE SCHEMA shop;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'), ownership.add_system('shop', 'storefront');
CREATE TABLE erp.item (id int PRIMARY KEY, item_code text UNIQUE, list_price numeric(12,4));
CREATE TABLE shop.variant (id bigint PRIMARY KEY, sku varchar(20), price numeric);
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), title text);
INSERT INTO erp.item VALUES (1, 'A1', 9.9), (2, 'A2', 20), (3, 'A3', NULL);
INSERT INTO product VALUES ('A1', 9.90, 'Lamp'), ('A2', 19, 'Desk'), ('A9', 9, 'Bin');
INSERT INTO shop.variant VALUES (11, 'A1', 9.9), (12, 'A2', 20.00), (13, 'A2', 21), (14, NULL, 5);
SELECT ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('shop.*', source => 'shop'), ownership.assign('product', '{sku,price}', 'erp', policy => 'keep');
SELECT ownership.link('product.price', '{erp.item.list_price, shop.variant.price}'), ownership.link('product.sku', '{erp.item.item_code, shop.variant.sku}');
GRANT ALL ON product TO regress_crm;
-- leaves out what is another answer with the library preloaded
CREATE FUNCTION why(field text, key jsonb) RETURNS TABLE (place text, event text, system text, value text, detail text, dated boolean) LANGUAGE SQL AS $$
	SELECT place, event, system, value, replace(detail, 'kept out (what was rejected is in the server log only)', 'refused'), at IS NOT NULL AND event <> 'value' FROM ownership.why(field, key) WHERE event <> 'last write'
$$;

--
-- All is well.
--
SELECT * FROM why('product.price', '{"sku": "A1"}');

--
-- A value was refused, a copy differs, several rows have the key.
--
SET ROLE regress_crm;
UPDATE product SET price = 1 WHERE sku = 'A2';
UPDATE product SET price = 2 WHERE sku = 'A2';
INSERT INTO product VALUES ('A3', 3, 'new');
DELETE FROM product WHERE sku = 'A2';
RESET ROLE;
SELECT * FROM why('product.price', '{"sku": "A2"}');
-- a row that was never let in
SELECT * FROM why('product.price', '{"sku": "A3"}');
-- what is resolved is told, and no longer open
UPDATE ownership.conflict SET resolved_at = now(), resolution = 'dismissed';
SELECT * FROM why('product.price', '{"sku": "A2"}') WHERE event IN ('answer', 'kept');
-- it is nowhere
SELECT * FROM why('product.price', '{"sku": "A7"}');
-- the authoritative copy lacks it
SELECT * FROM why('product.price', '{"sku": "A9"}') WHERE event IN ('answer', 'value', 'no row');

--
-- A field, or a column: then the key is that table's.
--
SELECT place, event, value FROM why('erp.item.list_price', '{"id": 2}') WHERE event IN ('answer', 'value', 'no row');
SELECT place, event, value FROM why('erp.item.list_price', '{"item_code": "A2"}') WHERE event IN ('answer', 'value', 'no row');
SELECT place, event, value FROM why('shop.variant.price', '{"id": 13}') WHERE event IN ('answer', 'value', 'no row');
SELECT place, event, value FROM why('shop.variant.price', '{"id": "13"}') WHERE event = 'value';
-- by a row without the key, and a row that is not there, the others cannot be found
SELECT place, event, value, detail FROM why('shop.variant.price', '{"id": 14}') WHERE event <> 'rule';
SELECT place, event, value, detail FROM why('shop.variant.price', '{"id": 15}') WHERE event <> 'rule';
-- a name that only one of the tables can mean
SELECT place, event, value FROM why('product.price', '{"item_code": "A1"}') WHERE event = 'value';

--
-- Bad input.
--
SELECT * FROM why('product.prise', '{"sku": "A1"}');
SELECT * FROM why('prise', '{"sku": "A1"}');
SELECT * FROM why('product.title', '{"sku": "A1"}');
INSERT INTO ownership.field (entity, name) VALUES ('product', 'nowhere');
SELECT * FROM why('product.nowhere', '{"sku": "A1"}');
SELECT * FROM why('product.price', '"A1"');
SELECT * FROM why('product.price', '{}');
SELECT * FROM why('product.price', '{"sku": null}');
SELECT * FROM why('product.price', '{"ski": "A1"}');
SELECT * FROM why('product.price', '{"sku": "A1", "ski": 1}');
SELECT * FROM why('product.price', '{"id": 1}');
SELECT * FROM why('product.price', '{"title": "Lamp"}');
SELECT * FROM why('erp.item.list_price', '{"list_price": 20}');
SELECT * FROM why('erp.item.list_price', '{"id": "x"}');
SELECT * FROM why('erp.item.list_price', '{"id": 99999999999}');

--
-- The rules, by row owners, too; where nobody owns it; without a guard.
--
SELECT ownership.assign_rows('product', '{price}', 'crm', $$title = 'Desk'$$);
SELECT * FROM why('product.price', '{"sku": "A2"}') WHERE event IN ('rule', 'value') AND place = 'product.price';
SELECT * FROM why('product.price', '{"sku": "A1"}') WHERE event IN ('rule', 'value') AND place = 'product.price';
DELETE FROM ownership.row_owner;
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('product', 'price');
SELECT ownership.unguard('product');
SELECT * FROM why('product.price', '{"sku": "A1"}');
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'price');
SELECT ownership.guard('product');

--
-- One column only; the key itself; a composite key, types, awkward names.
--
SELECT ownership.assign('product', '{title}', 'crm', policy => 'reject');
SELECT * FROM why('product.title', '{"sku": "A1"}');
SELECT place, event, value FROM why('product.sku', '{"sku": "A1"}') WHERE event = 'value';
CREATE SCHEMA "Ö";
CREATE TABLE "Ö"."le""vel" ("s ku" char(5), on_day date, "Qty'" float8, PRIMARY KEY ("s ku", on_day));
CREATE TABLE level (d timestamp, s text, qty text);
INSERT INTO "Ö"."le""vel" VALUES ('A', '2024-02-29', 1.5), ('A', '2024-03-01', 2);
INSERT INTO level VALUES ('2024-02-29', 'A', '1.50'), ('2024-03-01', 'A', 'two');
INSERT INTO ownership.field (entity, name, owner, key) VALUES ('level', 'it''s', 'erp', true), ('level', 'day', 'erp', true), ('level', 'qty', 'erp', false);
INSERT INTO ownership.mirrored_column VALUES ('Ö', 'le"vel', 's ku', 'level', 'it''s', false), ('Ö', 'le"vel', 'on_day', 'level', 'day', false), ('Ö', 'le"vel', 'Qty''', 'level', 'qty', true),
	('public', 'level', 's', 'level', 'it''s', false), ('public', 'level', 'd', 'level', 'day', false), ('public', 'level', 'qty', 'level', 'qty', false);
SET datestyle = 'SQL, DMY';
SELECT place, event, value, detail FROM why('level.qty', '{"it''s": "A", "day": "2024-02-29"}') WHERE event IN ('answer', 'value');
SELECT place, event, value, detail FROM why('level.qty', '{"s": "A", "d": "2024-03-01"}') WHERE event IN ('answer', 'value');
RESET datestyle;
SELECT place, event, value FROM why('level.qty', '{"day": "2024-02-29"}');
SELECT place, event, value FROM why('"Ö"."le""vel"."Qty''"', '{"s ku": "A", "on_day": "2024-02-29"}') WHERE event = 'value';

--
-- What may not be read, and what is not there, is said.
--
GRANT SELECT ON product TO regress_reader;
SET ROLE regress_reader;
SELECT * FROM why('product.price', '{"sku": "A2"}');
RESET ROLE;
ALTER TABLE erp.item DROP list_price;
DROP TABLE shop.variant;
SELECT * FROM why('product.price', '{"sku": "A1"}') WHERE event <> 'rule';
DROP TABLE product;
SELECT * FROM why('product.price', '{"sku": "A1"}');

DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp, shop, "Ö" CASCADE;
DROP TABLE level;
DROP FUNCTION why;
DROP ROLE regress_erp, regress_crm, regress_reader;
