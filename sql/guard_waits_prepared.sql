-- Prepared transactions: values that wait, land and are remembered in them, and pins that
-- end in them, count when they are committed, by whichever session, and not at all when
-- they are rolled back.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = error;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE TABLE product (sku text PRIMARY KEY, price int, title text CHECK (title <> 'bad'), secret text, city text, zip text);
CREATE TABLE brief (sku text PRIMARY KEY, price int, title text);
GRANT ALL ON product, brief TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim');
SELECT ownership.assign(t, '{sku,price}', 'erp', policy => 'keep'), ownership.assign(t, '{title}', 'pim', policy => 'keep') FROM unnest('{product,brief}'::regclass[]) t;
SELECT ownership.assign('product', '{secret}', 'pim'), ownership.assign('product', '{city,zip}', 'pim', column_group => 'address');
UPDATE ownership.field SET history = true WHERE name IN ('price', 'title') AND entity = 'product';
UPDATE ownership.field SET sensitive = true WHERE name = 'secret';
UPDATE ownership.mirrored_table SET remember = '0' WHERE table_name = 'brief';
CREATE VIEW evidence AS SELECT outcome, table_name, row_key, system, columns, stored, proposed, resolution FROM ownership.conflict ORDER BY table_name, row_key::text, id;
CREATE VIEW waits AS SELECT row_key, column_name, value, outcome FROM ownership.waiting ORDER BY row_key::text, column_name;

--
-- Parked
--
SET ROLE regress_pim;
BEGIN;
INSERT INTO product VALUES ('A', NULL, 'a', 's', 'c', 'z'), ('B', NULL, 'b', 's', 'c', 'z');
SAVEPOINT s;
INSERT INTO product (sku, title) VALUES ('C', 'c');
ROLLBACK TO s;
PREPARE TRANSACTION 'regress_1';
RESET ROLE;
TABLE waits;
-- who creates such a row waits, as for a unique index
SET lock_timeout = '100ms';
SET ROLE regress_erp;
INSERT INTO product VALUES ('A', 1);
-- another row is none of its business
INSERT INTO product VALUES ('Z', 1);
RESET ROLE;
RESET lock_timeout;
ROLLBACK PREPARED 'regress_1';
TABLE waits;
SET ROLE regress_pim;
BEGIN;
INSERT INTO product VALUES ('A', NULL, 'a', 's', 'c', 'z'), ('B', NULL, 'b', 's', 'c', 'z'), ('C', NULL, 'bad', 's', 'c', NULL);
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
TABLE waits;

--
-- Landing: rolled back, it goes on waiting
--
SET ROLE regress_erp;
BEGIN;
INSERT INTO product VALUES ('A', 1);
PREPARE TRANSACTION 'regress_1';
RESET ROLE;
SELECT count(*) FROM waits;
ROLLBACK PREPARED 'regress_1';
SELECT count(*) FROM waits;
SET ROLE regress_erp;
BEGIN;
INSERT INTO product VALUES ('A', 1), ('C', 3);
SAVEPOINT s;
INSERT INTO product VALUES ('B', 2);
ROLLBACK TO s;
UPDATE product SET price = 10 WHERE sku = 'A';
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
TABLE product ORDER BY sku;
TABLE waits;
TABLE evidence;
-- by COPY, and a key that an UPDATE gives
SET ROLE regress_erp;
BEGIN;
UPDATE product SET sku = 'B' WHERE sku = 'Z';
COPY brief FROM stdin;
A	1	not mine
B	2	\N
\.
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
TABLE product ORDER BY sku;
TABLE waits;
SET ROLE regress_pim;
UPDATE brief SET title = lower(sku);
RESET ROLE;
DELETE FROM ownership.conflict;

--
-- Remembered, also only until the transaction ends: that is when it is prepared
--
SET ROLE regress_erp;
BEGIN;
DELETE FROM product;
DELETE FROM brief;
PREPARE TRANSACTION 'regress_1';
RESET ROLE;
ROLLBACK PREPARED 'regress_1';
SELECT count(*) FROM product;
TABLE evidence;
SET ROLE regress_erp;
BEGIN;
DELETE FROM product WHERE sku <> 'C';
DELETE FROM brief;
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
TABLE evidence;
SET ROLE regress_erp;
INSERT INTO product VALUES ('A', 11);
INSERT INTO brief VALUES ('A', 11);
SELECT sku, title, secret, city FROM product WHERE sku = 'A';
TABLE brief;
-- a reload in one transaction
SET ROLE regress_pim;
UPDATE product SET secret = 'secret' WHERE sku = 'A';
UPDATE brief SET title = 'a';
SET ROLE regress_erp;
BEGIN;
DELETE FROM product;
TRUNCATE brief;
INSERT INTO product VALUES ('A', 12), ('B', 12);
INSERT INTO brief VALUES ('A', 12);
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
TABLE product ORDER BY sku;
TABLE brief;
TABLE waits;
SELECT count(*) FROM ownership.conflict WHERE recorded_at = '-infinity';

--
-- Pins
--
SELECT ownership.pin_value('product', '{"sku": "A"}', 'price', '99');
SELECT ownership.pin_value('product', '{"sku": "B"}', 'city', 'pinned');
SET ROLE regress_erp;
BEGIN;
UPDATE product SET price = 13 WHERE sku = 'A';
DELETE FROM product WHERE sku = 'B';
PREPARE TRANSACTION 'regress_1';
ROLLBACK PREPARED 'regress_1';
-- it holds against the last word
UPDATE product SET price = 12 WHERE sku = 'A';
RESET ROLE;
SELECT sku, price, city FROM product WHERE sku IN ('A', 'B') ORDER BY sku;
SELECT row_key, column_name, value, ended_at IS NOT NULL AS ended, gone_at IS NOT NULL AS gone FROM ownership.pin ORDER BY id;
SET ROLE regress_erp;
BEGIN;
UPDATE product SET price = 13 WHERE sku = 'A';
DELETE FROM product WHERE sku = 'B';
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
COMMIT PREPARED 'regress_1';
SET ROLE regress_erp;
UPDATE product SET price = 12 WHERE sku = 'A';
INSERT INTO product VALUES ('B', 1);
RESET ROLE;
SELECT sku, price, city FROM product WHERE sku IN ('A', 'B') ORDER BY sku;
SELECT row_key, column_name, value, ended_at IS NOT NULL AS ended, ended_by, gone_at IS NOT NULL AS gone FROM ownership.pin ORDER BY id;
-- pinned in a prepared transaction
BEGIN;
SELECT ownership.pin_value('product', '{"sku": "A"}', 'price', '77');
SELECT ownership.unpin('product', '{"sku": "B"}', 'city');
PREPARE TRANSACTION 'regress_1';
ROLLBACK PREPARED 'regress_1';
SET ROLE regress_erp;
UPDATE product SET price = 14 WHERE sku = 'A' RETURNING price;
RESET ROLE;
BEGIN;
SELECT ownership.pin_value('product', '{"sku": "A"}', 'price', '77');
SELECT ownership.unpin('product', '{"sku": "B"}', 'city');
PREPARE TRANSACTION 'regress_1';
\c -
SET client_min_messages = error;
SET ROLE regress_erp;
SELECT price FROM product WHERE sku = 'A';
RESET ROLE;
COMMIT PREPARED 'regress_1';
SET ROLE regress_erp;
UPDATE product SET price = 14 WHERE sku = 'A' RETURNING price;
SET ROLE regress_pim;
UPDATE product SET city = 'free' WHERE sku = 'B' RETURNING city;
RESET ROLE;

--
-- Decisions, and the history of it all
--
SET ROLE regress_pim;
INSERT INTO product (sku, title, city) VALUES ('D', 'd', 'c'), ('E', 'e', 'c');
RESET ROLE;
BEGIN;
SELECT ownership.accept(id) FROM ownership.conflict WHERE row_key = '{"sku": "D"}' AND outcome = 'parked';
SELECT ownership.dismiss(id) FROM ownership.conflict WHERE row_key = '{"sku": "E"}' AND outcome = 'parked';
SELECT count(*) FROM waits WHERE row_key <> '{"sku": "C"}';
PREPARE TRANSACTION 'regress_1';
SELECT count(*) FROM waits WHERE row_key <> '{"sku": "C"}';
ROLLBACK PREPARED 'regress_1';
SELECT count(*) FROM waits WHERE row_key <> '{"sku": "C"}';
SET ROLE regress_erp;
INSERT INTO product VALUES ('D', 4);
RESET ROLE;
TABLE product ORDER BY sku;
SELECT system, row_key, columns, stored, proposed FROM ownership.history ORDER BY id;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, brief;
DROP ROLE regress_erp, regress_pim;
