-- The stories that must come out right, by number, for ordinary clients.  (14
-- and 15 are about replicated streams; t/ has them.)
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_pim;
CREATE ROLE regress_shop;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.add_system('pim', 'pim', role => 'regress_pim'), ownership.add_system('shop', 'storefront', role => 'regress_shop');
CREATE TABLE product (id int PRIMARY KEY, sku text NOT NULL UNIQUE, price numeric, cost numeric DEFAULT 0, title text, description text, stock int DEFAULT 0);
INSERT INTO product VALUES (1, 'A-1', 10.00, 5, 'Chair', 'A chair', 7), (2, 'A-2', 20.00, 9, 'Table', '', NULL);
CREATE TABLE customer (id int PRIMARY KEY, email text, name text, street text, city text, zip text);
INSERT INTO customer VALUES (1, 'ada@example.com', 'Ada', 'Long Lane 1', 'London', 'N1'), (2, 'bob@example.com', NULL, NULL, NULL, NULL);
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric);
INSERT INTO orders VALUES (1, 'cart', 30), (2, 'paid', 40);
CREATE TABLE price_list (product int, market text, price numeric, PRIMARY KEY (product, market));
INSERT INTO price_list VALUES (1, 'de', 10), (1, 'fr', 11), (1, 'uk', 12);
CREATE TABLE product_image (id int PRIMARY KEY, product int REFERENCES product ON DELETE CASCADE ON UPDATE CASCADE, url text);
INSERT INTO product_image VALUES (1, 1, 'a.png');
GRANT ALL ON product, customer, orders, price_list, product_image TO PUBLIC;
SELECT ownership.assign('product', '{id,sku,price,cost,stock}', 'erp', readers => '{crm,pim,shop}'),
	ownership.assign('product', '{title,description}', 'pim', readers => '{erp,shop}');

--
-- 1. A reader echoes back the value that it read: no change, no conflict.
--
SET ROLE regress_shop;
UPDATE product SET price = price, title = title WHERE id = 1;
UPDATE product SET price = 10.0 WHERE id = 1;			-- 10.00, as the client writes it
UPDATE product p SET price = s.price FROM (SELECT * FROM product) s WHERE s.id = p.id;
UPDATE product SET price = 10.01 WHERE id = 1;
RESET ROLE;

--
-- 2. A PIM import overwrites the ERP's price in the same row as new texts: the
-- statement fails (reject) ...
--
SET ROLE regress_pim;
UPDATE product SET title = 'Armchair', description = 'With arms', price = 99 WHERE id = 1;
RESET ROLE;
SELECT title, description, price FROM product WHERE id = 1;
-- ... or the texts land, the price does not (keep)
SELECT ownership.assign('product', '{price}', 'erp', policy => 'keep');
SET client_min_messages = notice;
SET ROLE regress_pim;
UPDATE product SET title = 'Armchair', description = 'With arms', price = 99 WHERE id = 1 RETURNING price;
RESET ROLE;
SET client_min_messages = warning;
SELECT title, description, price FROM product WHERE id = 1;
SELECT system, outcome, columns, stored, proposed FROM ownership.conflict;

--
-- 3. A full-row PUT, or an ORM's save, resends unchanged foreign columns: no
-- conflict, for changed values are judged.
--
TRUNCATE ownership.conflict;
SET ROLE regress_pim;
UPDATE product SET id = 1, sku = 'A-1', price = 10.00, cost = 5, title = 'Armchair II', description = 'With arms', stock = 7 WHERE id = 1;
UPDATE product SET (id, sku, price, cost, title, description, stock) = (1, 'A-1', 10, 5.0, 'Armchair III', 'With arms', 7) WHERE id = 1;
PREPARE save (int, text, numeric, numeric, text, text, int) AS UPDATE product SET sku = $2, price = $3, cost = $4, title = $5, description = $6, stock = $7 WHERE id = $1;
EXECUTE save (1, 'A-1', '10.000', 5, 'Armchair IV', 'With arms', 7);
EXECUTE save (1, 'A-1', '10.000', 5, 'Armchair V', 'With arms', 8);
DEALLOCATE save;
RESET ROLE;
SELECT title, stock FROM product WHERE id = 1;
SELECT count(*) FROM ownership.conflict;

--
-- 4. An upsert resends everything: the same.
--
SET ROLE regress_pim;
INSERT INTO product VALUES (1, 'A-1', 10.00, 5, 'Stool', 'No arms', 7)
	ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, price = excluded.price, cost = excluded.cost, title = excluded.title, description = excluded.description, stock = excluded.stock;
RESET ROLE;
SELECT title, price, stock FROM product WHERE id = 1;
SELECT count(*) FROM ownership.conflict;
-- with another price: its own columns land, the price is kept, and the evidence holds what was proposed
SET ROLE regress_pim;
INSERT INTO product VALUES (1, 'A-1', 12.00, 5, 'Bar stool', 'No arms', 7)
	ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, price = excluded.price, cost = excluded.cost, title = excluded.title, description = excluded.description, stock = excluded.stock;
-- a new stock figure is refused
INSERT INTO product VALUES (1, 'A-1', 10.00, 5, 'Sofa', 'No arms', 99)
	ON CONFLICT (id) DO UPDATE SET title = excluded.title, stock = excluded.stock;
-- as is a new row, by the key
INSERT INTO product VALUES (3, 'A-3', 10.00, 5, 'Sofa', 'No arms', 99)
	ON CONFLICT (id) DO UPDATE SET title = excluded.title, stock = excluded.stock;
RESET ROLE;
SELECT title, price, stock FROM product WHERE id = 1;
SELECT operation, outcome, columns, stored, proposed FROM ownership.conflict;

--
-- 5. A connector's sink writes NULL for columns that it does not know: foreign
-- columns are not blanked; the owner may clear its own.
--
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product';
SET ROLE regress_crm;
UPDATE product SET price = NULL, cost = NULL, title = NULL, description = NULL, stock = NULL WHERE id = 1;
RESET ROLE;
SELECT * FROM product WHERE id = 1;
SELECT outcome, columns, proposed FROM ownership.conflict;
SET ROLE regress_erp;
UPDATE product SET cost = NULL WHERE id = 1;
RESET ROLE;
SELECT cost FROM product WHERE id = 1;
-- an insert that leaves them NULL writes none of them (let everyone create products)
UPDATE ownership.field SET owner = NULL WHERE entity = 'product' AND name IN ('id', 'sku');
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'product';
SET ROLE regress_pim;
INSERT INTO product (id, sku, price, title) VALUES (5, 'A-5', NULL, 'New');
INSERT INTO product (id, sku, price, title, cost, stock) VALUES (6, 'A-6', NULL, 'New', 0, 0);	-- the defaults
INSERT INTO product (id, sku, price, title, cost, stock) VALUES (7, 'A-7', NULL, 'New', 1, 0);
RESET ROLE;
SELECT id FROM product ORDER BY id;

--
-- 6. 0 and '' are writes like any other.
--
SET ROLE regress_crm;
UPDATE product SET price = 0 WHERE id = 1;
UPDATE product SET title = '' WHERE id = 1;
UPDATE product SET stock = 0 WHERE id = 2;				-- was NULL
UPDATE product SET stock = NULL WHERE id = 1;
UPDATE product SET description = ' ' WHERE id = 2;		-- was ''
UPDATE product SET description = '' WHERE id = 2;		-- is ''
INSERT INTO product (id, sku, description) VALUES (8, 'A-8', '');
INSERT INTO product (id, sku, price) VALUES (8, 'A-8', 0);
RESET ROLE;

--
-- 7. A guest checkout overwrites the tidied contact: only blanks are filled.
--
TRUNCATE ownership.conflict;
SELECT ownership.assign('customer', '{id}', 'crm', policy => 'fill'), ownership.assign('customer', '{email,name,street,city,zip}', 'crm', policy => 'fill');
SET ROLE regress_shop;
UPDATE customer SET email = 'ADA@EXAMPLE.COM', name = 'ada l.', street = 'long lane' WHERE id = 1;
UPDATE customer SET email = 'BOB@EXAMPLE.COM', name = 'Bob', city = 'Bath' WHERE id = 2;
UPDATE customer SET name = 'Robert' WHERE id = 2;
-- on a key: anyone may create, only the owner renames or deletes
INSERT INTO customer (id, email, name) VALUES (3, 'eve@example.com', 'Eve');
UPDATE customer SET id = 4 WHERE id = 3;
DELETE FROM customer WHERE id = 3;
RESET ROLE;
SELECT * FROM customer ORDER BY id;
SELECT operation, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY id;

--
-- 8. The first bulk load obeys the map.
--
TRUNCATE ownership.conflict;
UPDATE ownership.field SET owner = 'erp', policy = 'reject' WHERE entity = 'product' AND name IN ('id', 'sku');
SET ROLE regress_pim;
COPY product FROM stdin;
10	B-1	1	1	one	x	1
\.
RESET ROLE;
SET ROLE regress_erp;
COPY product (id, sku, price) FROM stdin;
10	B-1	1
11	B-2	2
\.
COPY product (id, sku, title) FROM stdin;
12	B-3	three
\.
RESET ROLE;
-- what the ERP may not fill is left to the PIM
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'title';
SET ROLE regress_erp;
COPY product (id, sku, title) FROM stdin;
12	B-3	three
13	B-4	\N
\.
RESET ROLE;
SELECT id, sku, price, title FROM product WHERE id >= 10 ORDER BY id;
SELECT operation, system, outcome, row_key, columns, proposed FROM ownership.conflict;

--
-- 9. A CRM invents or renames a SKU: only the key's owner inserts or renames.
--
UPDATE ownership.field SET key = true WHERE (entity, name) = ('product', 'sku');
UPDATE ownership.field SET key = false WHERE (entity, name) = ('product', 'id');
SET ROLE regress_crm;
INSERT INTO product (id, sku) VALUES (20, 'CRM-1');
UPDATE product SET sku = 'CRM-2' WHERE id = 1;
RESET ROLE;
SET ROLE regress_erp;
INSERT INTO product (id, sku) VALUES (20, 'C-1');
UPDATE product SET sku = 'C-2' WHERE id = 20;
RESET ROLE;
SELECT sku FROM product WHERE id IN (1, 20) ORDER BY id;
-- of a key with several owners a writer must own every column
UPDATE ownership.field SET key = true, owner = 'crm' WHERE (entity, name) = ('product', 'id');
SET ROLE regress_erp;
INSERT INTO product (id, sku) VALUES (21, 'C-3');
SET ROLE regress_crm;
INSERT INTO product (id, sku) VALUES (21, 'C-3');
RESET ROLE;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('product', 'id');

--
-- 10. A deleted item comes back, or a reader deletes it: DELETE and TRUNCATE
-- follow the key.
--
SET ROLE regress_shop;
DELETE FROM product WHERE id = 20;
DELETE FROM product;
TRUNCATE product CASCADE;
SET ROLE regress_pim;										-- who owns other columns of it
DELETE FROM product WHERE id = 20;
SET ROLE regress_erp;
DELETE FROM product WHERE id = 20;
SET ROLE regress_shop;
INSERT INTO product (id, sku) VALUES (20, 'C-2');			-- it comes back
RESET ROLE;
-- kept: it stays, with a notice, and without an error
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND key;
TRUNCATE ownership.conflict;
SET client_min_messages = notice;
SET ROLE regress_shop;
DELETE FROM product WHERE id IN (10, 11);
INSERT INTO product (id, sku) VALUES (20, 'C-2');
TRUNCATE product CASCADE;									-- that cannot be kept
RESET ROLE;
SET client_min_messages = warning;
SELECT id FROM product WHERE id >= 10 ORDER BY id;
SELECT operation, system, outcome, row_key FROM ownership.conflict;
SET ROLE regress_erp;
BEGIN;
TRUNCATE product CASCADE;
ROLLBACK;
RESET ROLE;

--
-- 11. An order before and after checkout: the stored row decides.
--
SELECT ownership.assign('orders', NULL, 'erp');
UPDATE ownership.field SET owner = 'shop' WHERE entity = 'orders' AND key;
SELECT ownership.assign_rows('orders', '{status,total}', 'shop', $$status IN ('cart', 'checkout')$$);
SET ROLE regress_shop;
UPDATE orders SET status = 'checkout', total = 31 WHERE id = 1;
UPDATE orders SET status = 'paid' WHERE id = 1;				-- it hands over
UPDATE orders SET status = 'cart' WHERE id = 1;				-- and cannot take back
UPDATE orders SET total = 1 WHERE id = 2;
INSERT INTO orders VALUES (3, 'cart', 5);
INSERT INTO orders VALUES (4, 'paid', 5);
RESET ROLE;
SET ROLE regress_erp;
UPDATE orders SET status = 'shipped', total = 32 WHERE id = 1;
UPDATE orders SET total = 6 WHERE id = 3;
RESET ROLE;
SELECT * FROM orders ORDER BY id;

--
-- 12. Prices per market in rows: row owners by filter.
--
SELECT ownership.assign('price_list', NULL, 'erp');
SELECT ownership.assign_rows('price_list', '{price}', 'shop', $$market = 'fr'$$);
SELECT ownership.assign_rows('price_list', '{price}', 'pim', $$market IN ('fr', 'uk')$$);		-- the first that holds wins
SET ROLE regress_shop;
UPDATE price_list SET price = price + 1 WHERE market = 'fr';
UPDATE price_list SET price = price + 1 WHERE market = 'uk';
UPDATE price_list SET price = price + 1;
SET ROLE regress_pim;
UPDATE price_list SET price = price + 1 WHERE market = 'uk';
UPDATE price_list SET price = price + 1 WHERE market = 'fr';
SET ROLE regress_erp;
UPDATE price_list SET price = price + 1 WHERE market = 'de';
UPDATE price_list SET price = price + 1 WHERE market = 'uk';
RESET ROLE;
SELECT market, price FROM price_list ORDER BY market;

--
-- 13. Address fields: owned together, kept together.
--
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'customer';
TRUNCATE ownership.conflict;
SET ROLE regress_shop;
UPDATE customer SET street = 'Broadway 1', city = 'New York', zip = '10001' WHERE id = 1;
RESET ROLE;
SELECT street, city, zip FROM customer WHERE id = 1;
SELECT outcome, columns, proposed FROM ownership.conflict;

--
-- 16. A child-table cascade: the writer is still the session's system.
--
SELECT ownership.assign('product_image', NULL, 'pim');
UPDATE ownership.field SET owner = 'erp', policy = 'reject' WHERE entity = 'product' AND key;
SET ROLE regress_erp;
DELETE FROM product WHERE id = 1;							-- the images are the PIM's
UPDATE product SET id = 100 WHERE id = 1;
RESET ROLE;
-- also where the policy is keep: a row kept by a cascade would be an orphan
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product_image';
SET ROLE regress_erp;
DELETE FROM product WHERE id = 1;
RESET ROLE;
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product_image';
TRUNCATE ownership.conflict;
SET ROLE regress_erp;
DELETE FROM product WHERE id = 1;
RESET ROLE;
SELECT table_name, operation, system, role, outcome, row_key FROM ownership.conflict;
SELECT count(*) FROM product_image;
-- and a cascade into what the session's system owns is no conflict
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', current_user, 'pim');
INSERT INTO product_image VALUES (2, 2, 'b.png');
UPDATE ownership.field SET owner = 'erp', policy = 'reject' WHERE entity = 'product_image';
SET ROLE regress_erp;
DELETE FROM product WHERE id = 2;
RESET ROLE;
SELECT count(*) FROM product_image;

DROP EXTENSION ownership CASCADE;
DROP TABLE product, customer, orders, price_list, product_image;
DROP ROLE regress_erp, regress_crm, regress_pim, regress_shop;
