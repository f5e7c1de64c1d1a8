-- The map as native privileges: what grants() prints, run, lets each system's
-- role do what the map gives it and no more, with the guard off.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE "regress ""pim";
CREATE ROLE regress_shop;
CREATE ROLE regress_steward;
CREATE ROLE regress_etl;
CREATE SCHEMA "Shop";
CREATE TABLE "Shop".product (sku text PRIMARY KEY, price numeric, "Title ""x""" text, note text, free text, bare text);
CREATE TABLE "Shop".orders (id serial PRIMARY KEY, sku text, status text, total numeric);
CREATE TABLE "Shop".log (line text, level int);
CREATE SCHEMA land;
CREATE TABLE land.item (id int PRIMARY KEY, price numeric, not_mapped text);
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.add_system('pim', 'pim', role => 'regress "pim'), ownership.add_system('shop', 'storefront', role => 'regress_shop'),
	ownership.add_system('wms', 'wms'), ownership.add_system(E'o''rs\\', 'other');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true), ownership.identify(NULL, role => 'regress_etl', carrier => true);
-- a role that is not there, and whose name is more than one line
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', E'gone\nDROP TABLE land.item', 'wms');
SELECT ownership.assign('"Shop".product', '{sku,price}', 'erp', readers => '{crm,shop}', entity => 'product'),
	ownership.assign('"Shop".product', '{"Title \"x\""}', 'pim', readers => '{shop}', entity => 'product.texts'),
	ownership.assign('"Shop".product', '{note}', 'crm', entity => 'product'),
	-- without owner: who is declared to write it
	ownership.assign('"Shop".product', '{free}', NULL, writers => '{pim,crm}', readers => '{erp}', entity => 'product'),
	ownership.assign('"Shop".product', '{bare}', NULL, entity => 'product');
-- row owners
SELECT ownership.assign('"Shop".orders', '{id}', 'shop', entity => 'order'), ownership.assign('"Shop".orders', '{status,total}', 'erp', entity => 'order');
SELECT ownership.assign_rows('"Shop".orders', '{status}', 'shop', $$status = 'cart'$$), ownership.assign_rows('"Shop".orders', '{status}', NULL, $$status = 'lost'$$);
-- no key
SELECT ownership.assign('"Shop".log', '{line}', 'wms', readers => '{erp}');
-- a source's own copy, of which another system reads a column
SELECT ownership.add_tables('land.*', source => 'erp', readers => '{}', exclude => '{not_mapped}');
SELECT ownership.link('product.price', ARRAY['land.item.price', '"Shop".product.price']);
-- what the map names and the database does not have is left out
INSERT INTO ownership.mirrored_column VALUES ('Shop', 'product', 'gone', 'product', 'price'), ('nowhere', 'x', 'y', 'product', 'price');

SELECT ownership.grants();
SELECT ownership.grants('crm');
SELECT ownership.grants('crmm');

-- run
SELECT ownership.grants() \gexec

SET ownership.enforcement = off;
INSERT INTO "Shop".product VALUES ('A', 1, 't', 'n', 'f', 'b');
INSERT INTO land.item VALUES (1, 1);
CREATE FUNCTION try(VARIADIC statements text[]) RETURNS TABLE (statement text, result text) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		BEGIN
			EXECUTE statement;
			result := 'done';
		EXCEPTION WHEN insufficient_privilege THEN
			result := sqlerrm;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SET ROLE regress_erp;
SELECT * FROM try($$UPDATE "Shop".product SET price = 2 WHERE sku = 'A'$$, $$UPDATE "Shop".product SET note = 'x' WHERE sku = 'A'$$,
	$$INSERT INTO "Shop".product (sku, price) VALUES ('B', 1) ON CONFLICT (sku) DO UPDATE SET price = excluded.price$$, $$DELETE FROM "Shop".product WHERE sku = 'B'$$,
	$$SELECT free FROM "Shop".product$$, $$SELECT note FROM "Shop".product$$, $$UPDATE "Shop".product SET bare = 'x'$$, $$TRUNCATE "Shop".product$$,
	$$INSERT INTO "Shop".orders VALUES (1)$$, $$UPDATE "Shop".orders SET status = 'paid', total = 3$$, $$SELECT line FROM "Shop".log$$,
	$$UPDATE land.item SET not_mapped = 'x', price = 3$$, $$DELETE FROM land.item WHERE id = 2$$);
SET ROLE regress_crm;
SELECT * FROM try($$UPDATE "Shop".product SET note = 'x', free = 'x' WHERE sku = 'A'$$, $$SELECT sku, price FROM "Shop".product$$, $$UPDATE "Shop".product SET price = 3$$,
	$$UPDATE "Shop".product SET sku = 'C'$$, $$INSERT INTO "Shop".product (sku) VALUES ('C')$$, $$DELETE FROM "Shop".product$$, $$SELECT "Title ""x""" FROM "Shop".product$$,
	$$SELECT id FROM "Shop".orders$$, $$SELECT price FROM land.item$$, $$SELECT not_mapped FROM land.item$$);
SET ROLE "regress ""pim";
SELECT * FROM try($$UPDATE "Shop".product SET "Title ""x""" = 'x' WHERE sku = 'A'$$, $$SELECT price FROM "Shop".product$$);
-- the serial's sequence, too
SET ROLE regress_shop;
SELECT * FROM try($$INSERT INTO "Shop".orders (sku, status) VALUES ('A', 'cart')$$, $$UPDATE "Shop".orders SET status = 'paid' WHERE id = 1$$, $$UPDATE "Shop".orders SET total = 3$$,
	$$DELETE FROM "Shop".orders WHERE id = 1$$);
SET ROLE regress_steward;
SELECT * FROM try($$UPDATE "Shop".product SET price = 7, bare = 'x'$$, $$DELETE FROM "Shop".log$$, $$INSERT INTO "Shop".orders DEFAULT VALUES$$);
SET ROLE regress_etl;
SELECT * FROM try($$INSERT INTO land.item VALUES (5)$$, $$SELECT sku FROM "Shop".product$$);
RESET ROLE;

-- a sequence that gives the default of a column, and belongs to none
CREATE SEQUENCE land."Film no";
CREATE TABLE land.film (film_id int PRIMARY KEY DEFAULT nextval('land."Film no"'), title text DEFAULT 'no ' || nextval('land."Film no"'));
SELECT ownership.assign('land.film', NULL, 'erp');
SELECT g FROM ownership.grants('erp') g WHERE g ~ 'SEQUENCE';

DROP EXTENSION ownership CASCADE;
DROP SCHEMA "Shop", land CASCADE;
DROP FUNCTION try;
DROP ROLE regress_erp, regress_crm, "regress ""pim", regress_shop, regress_steward, regress_etl;
