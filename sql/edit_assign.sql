-- assign(): who creates rows, groups, labels.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim');
CREATE TABLE product (sku text PRIMARY KEY, title text, street text, city text);
GRANT ALL ON product TO regress_erp, regress_pim;
CREATE VIEW field AS SELECT name, owner, policy, key, column_group, label FROM ownership.field WHERE entity = 'product' ORDER BY name;

-- anyone creates: the key's policy, of no other column
SELECT ownership.assign('product', NULL, 'erp', policy => 'keep', creates => 'anyone');
TABLE field;
SET ROLE regress_pim;
INSERT INTO product (sku) VALUES ('A');
DELETE FROM product;
RESET ROLE;
TABLE product;
-- a second call leaves it
SELECT ownership.assign('product', '{sku}', 'erp', rationale => 'numbers');
TABLE field;
-- only the owner creates
SELECT ownership.assign('product', '{sku,title}', 'erp', creates => 'owner');
TABLE field;
SET ROLE regress_pim;
INSERT INTO product (sku) VALUES ('B');
RESET ROLE;
TABLE product;
-- also where the domain, or the default, lets others create
UPDATE ownership.field SET policy = 'fill' WHERE name = 'sku';
SELECT ownership.assign('product', '{sku}', 'erp', creates => 'owner');
SELECT policy FROM field WHERE name = 'sku';
INSERT INTO ownership.domain (name, policy) VALUES ('open', 'create_only');
SELECT ownership.assign('product', '{sku}', 'erp', domain => 'open', creates => 'owner');
TABLE field;
UPDATE ownership.field SET policy = NULL WHERE name = 'sku';
SELECT ownership.assign('product', '{sku}', 'erp', creates => 'owner');
TABLE field;
UPDATE ownership.field SET policy = NULL, domain = NULL WHERE name = 'sku';
SET ownership.default_policy = fill;
SELECT ownership.assign('product', '{sku}', 'erp', creates => 'owner');
TABLE field;
RESET ownership.default_policy;
-- any other policy of the key is no matter of creates
UPDATE ownership.field SET policy = 'observe' WHERE name = 'sku';
SELECT ownership.assign('product', '{sku}', 'erp', creates => 'owner');
TABLE field;

-- groups and labels
SELECT ownership.assign('product', '{street,city}', 'erp', column_group => 'address');
SELECT ownership.assign('product', '{title}', 'pim', label => 'Name in the shop');
SELECT ownership.assign('product', '{title,city,street}', 'erp');
TABLE field;
SELECT ownership.assign('product', '{title}', 'pim', label => 'Title', column_group => NULL, creates => NULL);
TABLE field;

-- what is wrong
SELECT ownership.assign('product', '{title}', 'erp', creates => 'anyone');
SELECT ownership.assign('product', '{sku}', 'erp', creates => 'everyone');
SELECT ownership.assign('product', '{sku}', 'erp', creates => '');
SELECT ownership.assign('product', '{sku}', 'erp', column_group => '');
SELECT ownership.assign('product', '{sku}', 'erp', column_group => ' a');
SELECT ownership.assign('product', '{sku,title}', 'erp', label => 'Both');
SELECT ownership.assign('product', NULL, 'erp', label => 'All');
SELECT ownership.assign('product', '{sku}', 'erp', label => E' \n');
-- nothing of that was written
TABLE field;

-- link() makes a field with what was decided on its column: label and settings, too; a group stays with its entity
UPDATE ownership.field SET on_blank = 'keep', history = true, match_key = true, fresh_within = '1 day' WHERE name = 'title';
CREATE TABLE copy (id int PRIMARY KEY, title text, city text);
SELECT ownership.link('product.name', '{product.title,copy.title}'), ownership.link('product.town', '{product.city}'),
	ownership.link('address.street', '{product.street}');
SELECT entity, name, owner, column_group, label, on_blank, history, match_key, fresh_within FROM ownership.field
WHERE name IN ('name', 'town', 'street') ORDER BY name;
-- What has a label or another setting is decided: a pattern does not take it back.
CREATE SCHEMA land;
CREATE TABLE land.item (id int PRIMARY KEY, plain text);
SELECT ownership.add_tables('land.*', owner => 'erp');
UPDATE ownership.field SET label = 'Item no.' WHERE entity = 'land.item' AND name = 'plain';
CREATE TABLE land.other (id int PRIMARY KEY, plain text);
UPDATE ownership.field SET label = 'Other no.' WHERE entity = 'land.other' AND name = 'plain';
BEGIN;
ALTER TABLE land.item RENAME TO item_old;
ALTER TABLE land.other RENAME TO item;
DROP TABLE land.item_old;
COMMIT;
SELECT f.label, m.table_name FROM ownership.field f JOIN ownership.mirrored_column m ON (m.entity, m.field) = (f.entity, f.name) WHERE m.table_schema = 'land' AND m.column_name = 'plain' ORDER BY 2;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA land CASCADE;
DROP TABLE copy;
DROP TABLE product;
DROP ROLE regress_erp, regress_pim;
