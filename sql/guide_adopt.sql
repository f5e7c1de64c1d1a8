-- adopt(): what the guide is sure of goes on the map, the rest without owner.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim');
CREATE SCHEMA shop AUTHORIZATION regress_steward;
SET ROLE regress_steward;
CREATE TABLE shop.product (sku text PRIMARY KEY, price numeric, description text, color text, stock int, mood text, visibility text, created_at timestamptz);
CREATE TABLE shop.thing (id int PRIMARY KEY, email text);
RESET ROLE;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA shop TO PUBLIC;

--
-- Whoever may edit the map, and owns the tables, may adopt.
--
SET ROLE regress_steward;
SELECT * FROM ownership.adopt('shop.*');
RESET ROLE;
GRANT INSERT, UPDATE, DELETE ON ownership.field, ownership.mirrored_table, ownership.mirrored_column TO regress_steward;
CREATE TABLE shop.stranger (id int PRIMARY KEY);
SET ROLE regress_steward;
SELECT * FROM ownership.adopt('shop.*');
RESET ROLE;
DROP TABLE shop.stranger;

--
-- Decided before: owner, domain, local; another domain than the guide's.
--
SELECT ownership.assign('shop.product', '{color}', 'erp', domain => 'price');
INSERT INTO ownership.field (entity, name, domain) VALUES ('product', 'description', 'content'), ('product', 'stock', 'attribute');
SELECT ownership.link('product.description', '{shop.product.description}'), ownership.link('product.stock', '{shop.product.stock}');
SET ROLE regress_steward;
SELECT relation, column_name, field, domain, owner, outcome FROM ownership.adopt('shop.*');
RESET ROLE;
SELECT entity, name, domain, owner, key, local, rationale FROM ownership.field ORDER BY entity COLLATE "C", name COLLATE "C";
-- as assign does, it guards
SELECT relation, guarded FROM ownership.guards ORDER BY relation;
SET ROLE regress_pim;
INSERT INTO shop.product (sku, description) VALUES ('A', 'a lamp');
UPDATE shop.product SET price = 1;
UPDATE shop.product SET stock = 1;
RESET ROLE;
-- again, nothing changes; with a system more, what had no owner gets one
SELECT count(*) FROM ownership.adopt('shop.*') WHERE outcome = 'adopted';
SELECT ownership.add_system('oms', 'oms');
SELECT column_name, owner, outcome, reason FROM ownership.adopt('shop.product') WHERE outcome <> 'decided before';
-- of a blurred domain, so the reason is still to be written down
SELECT severity, risk, field FROM ownership.risks WHERE risk IN ('blurred', 'unowned');

--
-- Copies of one field that the guide says different things of are not sure.
--
CREATE TABLE shop.customer (id int PRIMARY KEY, phone text);
INSERT INTO ownership.field (entity, name) VALUES ('odd', 'one'), ('odd', 'two');
SELECT ownership.add_system('crm', 'crm');
CREATE TABLE shop.customer_copy (id int PRIMARY KEY, phone text, "Mobile" text);
CREATE TABLE shop.product_copy (id int PRIMARY KEY, color text);
SELECT ownership.link('odd.one', '{shop.customer.phone, shop.product_copy.color}');
SELECT ownership.link('odd.two', ARRAY['shop.customer_copy.phone', 'shop.customer_copy."Mobile"']);
SELECT relation, column_name, field, domain, owner, outcome FROM ownership.adopt('shop.*') WHERE field LIKE 'odd.%';

--
-- A landing table is a copy of its source's data: the source creates its
-- records, and what it says of other systems' data is not sure. Partitions
-- are their table's.
--
CREATE SCHEMA land;
CREATE TABLE land.item (id int PRIMARY KEY, list_price numeric, description text) PARTITION BY RANGE (id);
CREATE TABLE land.item_1 PARTITION OF land.item FOR VALUES FROM (0) TO (10);
INSERT INTO ownership.mirrored_table VALUES ('land', 'item', 'erp');
SELECT relation, column_name, domain, owner, outcome, reason FROM ownership.adopt('land.*');
SELECT source, guarded, partitions_guarded FROM ownership.guards WHERE relation = 'land.item';
-- a column that cannot be a field of its own is left out
CREATE TABLE land.dotted (id int PRIMARY KEY, "a.price" numeric, price numeric);
SELECT column_name, field, outcome, reason FROM ownership.adopt('land.dotted');

--
-- A source owns its landing tables by default, which is no decision: the owner
-- stays, and a field gets the domain of which the guide is sure, whichever system
-- should own such data. So does a field whose owner was decided.
--
CREATE SCHEMA feed;
CREATE TABLE feed.item (id int PRIMARY KEY, list_price numeric, description text, mood text, color text, stock int, weight numeric, visibility text, created_at timestamptz);
CREATE TABLE feed.item_price (id int PRIMARY KEY, weight numeric);
SELECT ownership.add_tables('feed.*', source => 'erp');
UPDATE ownership.field SET decided_by = 'the workshop' WHERE (entity, name) = ('feed.item', 'list_price');
UPDATE ownership.field SET domain = 'price', decided_by = 'the workshop' WHERE (entity, name) = ('feed.item', 'color');
UPDATE ownership.field SET local = true WHERE (entity, name) = ('feed.item', 'stock');
-- two copies, of one of which the guide says another domain
SELECT ownership.link('feed.weight', '{feed.item.weight, feed.item_price.weight}');
SELECT risk, field FROM ownership.risks WHERE risk IN ('out_of_bounds', 'blurred') AND entity = 'feed.item';
SELECT relation, column_name, domain, sure FROM ownership.suggest('feed.*') WHERE NOT sure;
SELECT relation, column_name, domain, owner, outcome FROM ownership.adopt('feed.*');
SELECT outcome, count(*) FROM ownership.adopt('feed.*') GROUP BY 1 ORDER BY 1;
SELECT entity, name, domain, owner, local, decided_by FROM ownership.field WHERE entity LIKE 'feed%' ORDER BY entity COLLATE "C", name COLLATE "C";
SELECT risk, field, systems FROM ownership.risks WHERE risk IN ('out_of_bounds', 'blurred') AND entity = 'feed.item';
-- seen writing by another system than the guide's: the owner is not sure, the domain is
CREATE TABLE land.product (sku text PRIMARY KEY, title text);
INSERT INTO ownership.mirrored_table VALUES ('land', 'product', NULL);
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, writes) VALUES ('land', 'product', 'title', 'crm', 1);
SELECT column_name, domain, owner, outcome, reason FROM ownership.adopt('land.product');
-- nothing there
SELECT * FROM ownership.adopt('land.nothing');
SELECT * FROM ownership.adopt(NULL);

DROP EXTENSION ownership CASCADE;
DROP SCHEMA shop, land, feed CASCADE;
DROP ROLE regress_erp, regress_pim, regress_steward;
