-- reconcile() of a group: the copies of a value in several columns are written together, or none of them is.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'); END $$;
CREATE SCHEMA crm;
CREATE TABLE crm.account (id int PRIMARY KEY, street text, city text, zip numeric);
CREATE TABLE customer (id int PRIMARY KEY, street text, city varchar(10), zip numeric(5, 0), note text);
CREATE TABLE shop (id int PRIMARY KEY, street text);
INSERT INTO crm.account VALUES (1, '350 5th Ave', 'New York', 10118), (2, '350 5th Ave', 'New York', 10118), (3, '350 5th Ave', 'New York', 10118.2), (4, '350 5th Ave', 'New York City', 10118),
	(5, '350 5th Ave', 'New York', 10118), (6, '350 5th Ave', NULL, 10118);
INSERT INTO customer VALUES (1, '350 5th Ave', 'New York', 10118), (2, 'Unter den Linden 1', 'Berlin', 10115), (3, '350 5th Ave', 'New York', 10118), (4, 'Unter den Linden 1', 'Berlin', 10115),
	(5, '350 5th Ave', 'New York', 10115), (6, '350 5th Ave', 'New York', 10118);
INSERT INTO shop VALUES (1, 'Wall St'), (2, 'Wall St');
SELECT ownership.add_tables('crm.*', source => 'crm'), ownership.assign('customer', '{id,street,city,zip}', 'crm'), ownership.assign('shop', '{id,street}', 'crm');
UPDATE ownership.field SET column_group = 'address' WHERE entity = 'customer' AND name IN ('street', 'city', 'zip');
DO $$ BEGIN
	PERFORM ownership.link('customer.id', '{crm.account.id, shop.id}'), ownership.link('customer.street', '{crm.account.street, shop.street}', authoritative => 'crm.account.street'),
		ownership.link('customer.city', '{crm.account.city}', authoritative => 'crm.account.city');
END $$;
SET client_min_messages = notice;

-- a column of the group is no copy: a part of the value is not written.  A table with one column of it has its own part.
SELECT ownership.reconcile('customer.street', dry_run => true);
SELECT ownership.reconcile('customer.street');
TABLE customer ORDER BY id;
TABLE shop ORDER BY id;
DO $$ BEGIN PERFORM ownership.link('customer.zip', '{crm.account.zip}', authoritative => 'crm.account.zip'); END $$;

-- a pin of one column holds the whole group
DO $$ BEGIN PERFORM ownership.pin('customer', '{"id": 5}', 'city'); END $$;
-- any column that differs counts, also where the named one agrees; a row in which one does not fit is left whole
SELECT ownership.reconcile('customer.street', dry_run => true);
SELECT ownership.reconcile('customer.street');
TABLE customer ORDER BY id;
SELECT row_key, columns, stored, proposed FROM ownership.conflict WHERE table_name = 'customer' ORDER BY row_key ->> 'id';
SET ownership.enforcement = off;
UPDATE crm.account SET city = 'NY' WHERE id = 4;
RESET ownership.enforcement;
CALL ownership.reconcile_all('customer.*');
TABLE customer ORDER BY id;
-- row owners split the group in this table: each column is a value of its own
DO $$ BEGIN PERFORM ownership.unpin('customer', '{"id": 5}', 'city'), ownership.assign_rows('customer', '{zip}', 'erp', 'id = 2'); END $$;
SET ownership.enforcement = off;
UPDATE customer SET street = 'Wall St', city = 'Boston', zip = 1 WHERE id = 1;
RESET ownership.enforcement;
SELECT ownership.reconcile('customer.street');
SELECT * FROM customer WHERE id = 1;

DROP TABLE customer, shop;
DROP SCHEMA crm CASCADE;
DROP EXTENSION ownership;
