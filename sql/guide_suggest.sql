-- suggest(): what the guide says of columns, how sure it is, and why.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;

--
-- One kind of evidence is no certainty, two that agree are; where they
-- contradict each other, the answer is unknown.
--
CREATE SCHEMA shop;
CREATE TABLE shop.product (id int PRIMARY KEY, sku text, list_price numeric, "costPrice" numeric, "Stock Level" int, description text, weight numeric,
	category text, available_from date, special_price numeric, tax_class text, phone text, mood text, created_at timestamptz, _synced boolean);
SELECT * FROM ownership.suggest('shop.product');
-- with a system of the kind, and with two
SELECT ownership.add_system('netsuite', 'erp'), ownership.add_system('akeneo', 'pim'), ownership.add_system('salesforce', 'crm');
SELECT column_name, kind, system, sure, reason FROM ownership.suggest('shop.product') WHERE domain IN ('price', 'content');
SELECT ownership.add_system('sap', 'erp');
SELECT column_name, kind, system, sure, reason FROM ownership.suggest('shop.product') WHERE domain IN ('price', 'content');
-- of the natural kinds, the first that there is: the WMS rather than the ERP
SELECT column_name, kind, system FROM ownership.suggest('shop.product') WHERE domain = 'stock';
SELECT ownership.add_system('locus', 'wms');
SELECT column_name, kind, system FROM ownership.suggest('shop.product') WHERE domain = 'stock';
DELETE FROM ownership.system WHERE name = 'sap';

--
-- Keys: by name, by primary key, by foreign key; whatever else the name says.
--
CREATE TABLE shop.country (code text PRIMARY KEY, name text);
CREATE TABLE shop.customer (customer_no text PRIMARY KEY, "externalId" text, country text REFERENCES shop.country, supplier_id int, api_token text);
SELECT column_name, domain, kind, system, sure, reason FROM ownership.suggest('shop.c*');

--
-- Traps.
--
-- a quantity on an order line is no stock, a price there no price master: the order's copies
CREATE TABLE shop.order_line (order_id int, product_id int, quantity int, unit_price numeric, "productName" text, PRIMARY KEY (order_id, product_id));
CREATE TABLE shop.orders (id int PRIMARY KEY, total_price numeric, status text, email text, shipping_city text, tracking_number text, gift boolean);
CREATE TABLE shop.purchase_order (id int PRIMARY KEY, number text, total numeric);
-- names on supplier and employee tables are no customers
CREATE TABLE shop.supplier (id int PRIMARY KEY, contact_name text, email text);
CREATE TABLE shop.employee (id int PRIMARY KEY, first_name text, email text);
-- name, status and code mean nothing without the table
CREATE TABLE shop.thing (id int PRIMARY KEY, name text, status text, code text, email text, metadata jsonb);
CREATE TABLE shop.coupon (id int PRIMARY KEY, code text, status text, name text, colour text);
CREATE TABLE shop.ticket (id int PRIMARY KEY, subject text, status text, mood text);
SELECT relation, column_name, domain, sure, reason FROM ownership.suggest('shop.*')
WHERE column_name <> 'id' AND relation NOT IN ('shop.product', 'shop.country', 'shop.customer');
-- a system's name in a column's marks a key there, or a copy
CREATE TABLE shop.item (id int PRIMARY KEY, salesforce_id text, shopify_order_id text, netsuite_conn_price numeric, price numeric, sapling text);
SELECT column_name, domain, kind, system, sure, reason FROM ownership.suggest('shop.item');

--
-- The comment agrees, speaks alone, or speaks against it.
--
CREATE TABLE shop.thing2 (id int PRIMARY KEY, price numeric, upc text, x1 text, x2 text);
COMMENT ON COLUMN shop.thing2.price IS 'List price, net';
COMMENT ON COLUMN shop.thing2.upc IS 'Ask the tax department';
COMMENT ON COLUMN shop.thing2.x1 IS 'Phone of the customer';
COMMENT ON COLUMN shop.thing2.x2 IS 'The phone, or the weight';
SELECT column_name, domain, sure, reason FROM ownership.suggest('shop.thing2');
DROP TABLE shop.thing2;

--
-- Who was seen writing.
--
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes) VALUES
	('shop', 'thing', 'email', 'salesforce', 0, 7),			-- agrees with the name
	('shop', 'thing', 'code', 'netsuite', 0, 1),			-- does not say what it is
	('shop', 'product', 'list_price', 'netsuite', 0, 9), ('shop', 'product', 'list_price', 'akeneo', 0, 1),
	('shop', 'product', 'description', 'akeneo', 0, 2), ('shop', 'product', 'description', 'netsuite', 3, 0),
	('shop', 'product', 'weight', 'netsuite', 0, 2),		-- not the kind that should
	('shop', 'product', 'sku', 'netsuite', 0, 2),			-- creates the records
	('shop', 'product', 'created_at', 'akeneo', 0, 2),
	('shop', 'product', 'mood', NULL, 0, 2);
SELECT relation, column_name, domain, system, sure, reason FROM ownership.suggest('shop.*') s
WHERE EXISTS (SELECT FROM ownership.activity a WHERE s.relation = 'shop.' || a.table_name AND s.column_name = a.column_name);
TRUNCATE ownership.activity;

--
-- Names in all their forms.
--
CREATE TABLE shop."ProductVariant" (id int PRIMARY KEY, "listPrice" numeric, "EAN" text, "EANCode" text, "META-Title" text, "größe" text, "metaTitle2" text, enterprise text, prices_shown boolean);
SELECT column_name, domain, sure FROM ownership.suggest('shop.ProductVariant');

--
-- A user's domain comes first, unless it has a position; a domain without
-- patterns is never proposed.
--
INSERT INTO ownership.domain (name, natural_owner, column_pattern, table_pattern) VALUES
	('size', '{plm,pim}', 'größe|weight', 'product'), ('mood', NULL, '^mood$|thing\.(?:name|code)', 'ticket\..*'), ('plain', NULL, NULL, NULL);
SELECT relation, column_name, domain, kind, system, sure, reason FROM ownership.suggest('shop.*') WHERE domain IN ('size', 'mood');
UPDATE ownership.domain SET position = 1000 WHERE name = 'size';
SELECT relation, column_name, domain, sure FROM ownership.suggest('shop.*') WHERE column_name IN ('weight', 'größe');
DELETE FROM ownership.domain WHERE NOT shipped;

--
-- Tables: on the map or not; those that can be on it; by pattern.
--
CREATE TABLE shop.parted (id int PRIMARY KEY, price numeric, gross numeric GENERATED ALWAYS AS (price) STORED) PARTITION BY RANGE (id);
CREATE TABLE shop.parted_1 PARTITION OF shop.parted FOR VALUES FROM (0) TO (10);
CREATE VIEW shop.view AS SELECT * FROM shop.product;
CREATE TABLE price_list (price numeric);
CREATE TEMPORARY TABLE price_scratch (price numeric);
SELECT ownership.assign('price_list', '{price}', 'salesforce', domain => 'cost', rationale => 'so it is');
SELECT relation, column_name, domain, system, sure FROM ownership.suggest() WHERE relation LIKE '%part%' OR relation NOT LIKE 'shop.%';
SELECT relation, column_name FROM ownership.suggest('price*');
SELECT count(*) FROM ownership.suggest('*.*') WHERE relation LIKE 'ownership.%' OR relation LIKE 'pg_%';
SELECT * FROM ownership.suggest('nowhere.*');
SELECT * FROM ownership.suggest(NULL);
-- anyone may ask; the guide may be empty
CREATE ROLE regress_anyone;
SET ROLE regress_anyone;
SELECT relation, column_name, domain, sure FROM ownership.suggest('price*');
RESET ROLE;
BEGIN;
UPDATE ownership.field SET domain = NULL;
DELETE FROM ownership.domain;
SELECT relation, column_name, domain, sure, reason FROM ownership.suggest('price*');
SELECT column_name, domain, sure, reason FROM ownership.suggest('shop.parted');
ROLLBACK;

-- When a row was made and changed, as more schemas call it; a date of business is not one of these.
CREATE TABLE shop.film (last_update timestamptz, film_last_change date, create_date date, creation_time time, create_reason text, last_updater_note text, update_policy text);
SELECT column_name, domain, sure FROM ownership.suggest('shop.film');

DROP EXTENSION ownership CASCADE;
DROP SCHEMA shop CASCADE;
DROP TABLE price_list, price_scratch;
DROP ROLE regress_anyone;
