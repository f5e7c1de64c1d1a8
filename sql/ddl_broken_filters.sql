-- A row filter that works no more does not keep the map from following its
-- table: writes fail until it is corrected, and nobody's go unjudged. Filters
-- that name the table with its schema follow, too.
\set VERBOSITY terse
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_other;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');

CREATE TABLE cart (id int PRIMARY KEY, status text, total int);
CREATE FUNCTION is_cart(cart) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1.status = 'cart' $$;
CREATE TABLE bill (id int PRIMARY KEY, status text, total int);
CREATE FUNCTION is_open(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 = 'open' $$;
CREATE TABLE stock (id int PRIMARY KEY, status text, total int);
SELECT ownership.assign(t, NULL, 'erp') FROM unnest('{cart,bill,stock}'::regclass[]) t;
SELECT ownership.assign_rows('cart', '{total}', 'crm', 'public.is_cart(cart)');
SELECT ownership.assign_rows('bill', '{total}', 'crm', 'public.is_open(status)');
SELECT ownership.assign_rows('stock', '{total}', 'crm', $$status = 'open'$$);
GRANT ALL ON cart, bill, stock TO regress_crm, regress_erp;
SET ROLE regress_erp;
INSERT INTO cart VALUES (1, 'done', 1);
INSERT INTO bill VALUES (1, 'open');
RESET ROLE;

-- The function's body names a column that is called otherwise now; the other one belongs to somebody who is not trusted.
ALTER TABLE cart RENAME status TO state;
ALTER TABLE cart RENAME TO basket;
ALTER FUNCTION is_open(text) OWNER TO regress_other;
ALTER TABLE bill RENAME status TO state;
ALTER TABLE bill RENAME TO invoice;
-- What is renamed in several transactions, and lacks a column of the filter, is guarded like the old one.
ALTER TABLE stock RENAME TO stock_old;
CREATE TABLE stock (id int PRIMARY KEY, total int);

SELECT relation, column_name, owner, row_owners, guarded FROM ownership.map ORDER BY 1, 2;
SELECT severity, risk, relation FROM ownership.risks ORDER BY relation, risk;
GRANT ALL ON stock TO regress_crm;
SET ROLE regress_crm;
UPDATE basket SET state = 'mine', total = 2;
UPDATE invoice SET state = 'mine', total = 2;
INSERT INTO stock VALUES (1, 2);
RESET ROLE;

-- Corrected, they work, under the new names.
CREATE OR REPLACE FUNCTION is_cart(basket) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1.state = 'done' $$;
ALTER FUNCTION is_open(text) OWNER TO CURRENT_USER;
SET ROLE regress_crm;
UPDATE basket SET total = 3;
UPDATE invoice SET total = 3;
RESET ROLE;
SELECT b.total AS basket, i.total AS invoice FROM basket b, invoice i;

-- The table may be named with its schema, which may be another one now.
CREATE SCHEMA shop;
CREATE TABLE shop.item (id int PRIMARY KEY, status text, total int);
SELECT ownership.assign('shop.item', NULL, 'erp');
SELECT ownership.assign_rows('shop.item', '{total}', 'crm', $$shop.item.status = 'open' AND shop.item.* IS DISTINCT FROM NULL$$);
GRANT ALL ON shop.item TO regress_crm, regress_erp;
GRANT USAGE ON SCHEMA shop TO regress_crm, regress_erp;
SET ROLE regress_erp;
INSERT INTO shop.item VALUES (1, 'open'), (2, 'done');
RESET ROLE;
ALTER TABLE shop.item RENAME TO thing;
SELECT relation, row_owners FROM ownership.map WHERE cardinality(row_owners) > 0 AND relation LIKE '%thing';
UPDATE ownership.row_owner SET row_filter = $$shop.thing.status = 'open'$$ WHERE table_name = 'thing';
ALTER SCHEMA shop RENAME TO store;
SELECT relation, row_owners FROM ownership.map WHERE cardinality(row_owners) > 0 AND relation LIKE '%thing';
UPDATE ownership.row_owner SET row_filter = $$store.thing.status = 'open'$$ WHERE table_name = 'thing';
ALTER TABLE store.thing SET SCHEMA public;
SELECT relation, row_owners FROM ownership.map WHERE cardinality(row_owners) > 0 AND relation LIKE '%thing';
UPDATE ownership.row_owner SET row_filter = $$public.thing.status = 'open'$$ WHERE table_name = 'thing';
ALTER TABLE thing RENAME status TO state;
SELECT relation, row_owners FROM ownership.map WHERE cardinality(row_owners) > 0 AND relation LIKE '%thing';
SET ROLE regress_crm;
UPDATE thing SET total = 3 WHERE id = 1;
UPDATE thing SET total = 3 WHERE id = 2;
RESET ROLE;
SELECT * FROM thing ORDER BY id;

DROP EXTENSION ownership;
DROP SCHEMA store;
DROP TABLE thing, basket, invoice, stock, stock_old CASCADE;
DROP FUNCTION is_open(text);
DROP ROLE regress_erp, regress_crm, regress_other;
