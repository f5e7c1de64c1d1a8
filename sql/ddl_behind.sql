-- What the map missed is found in the catalogs, whatever event triggers saw:
-- the risk map_behind, for which assert_clean() fails.  guard() has the map
-- look again.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_loader;
CREATE ROLE regress_erp;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm');
CREATE SCHEMA feed AUTHORIZATION regress_loader;
SET ROLE regress_loader;
CREATE TABLE feed.item (id int PRIMARY KEY, price numeric, total numeric GENERATED ALWAYS AS (price * 2) STORED, note text);
CREATE TABLE feed.vendor (id int PRIMARY KEY, iban text);
RESET ROLE;
SELECT ownership.add_tables('feed.*', owner => 'erp', exclude => '{feed.*_tmp,feed.item.secret}');
CREATE TABLE single (id int PRIMARY KEY, a text);
SELECT ownership.assign('single', '{id,a}', 'erp');
SELECT ownership.assign_rows('feed.item', '{note}', 'crm', 'price > 10');
CREATE VIEW behind AS SELECT severity, relation, column_name, detail, advice FROM ownership.risks WHERE risk = 'map_behind';
TABLE behind;

-- a column that is generated no more comes under the pattern
SET ROLE regress_loader;
ALTER TABLE feed.item ALTER total DROP EXPRESSION;
RESET ROLE;
SELECT column_name, owner FROM ownership.map WHERE relation = 'feed.item' ORDER BY 1;
TABLE behind;

-- nobody looks
ALTER EVENT TRIGGER ownership_end DISABLE;
ALTER EVENT TRIGGER ownership_drop DISABLE;
SET ROLE regress_loader;
ALTER TABLE feed.item ADD weight int, ADD secret text, ADD twice int GENERATED ALWAYS AS (id * 2) STORED;
ALTER TABLE feed.item RENAME price TO cost;
ALTER TABLE feed.vendor RENAME TO supplier;
CREATE TABLE feed.fresh (id int PRIMARY KEY);
CREATE TABLE feed.fresh_tmp (id int PRIMARY KEY);
CREATE TABLE feed.nothing ();
CREATE TEMP TABLE passing (id int);
RESET ROLE;
DROP TABLE single;
CREATE TABLE single (id int PRIMARY KEY, b text);
ALTER TABLE single ADD c text;
TABLE behind;
\set VERBOSITY terse
SELECT ownership.assert_clean();
\set VERBOSITY default
-- everybody may look
SET ROLE regress_erp;
SELECT count(*) FROM ownership.risks WHERE risk = 'map_behind';
RESET ROLE;

-- it is found as well when they look again, and until somebody has seen to it
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;
SELECT count(*) FROM behind;
SET ROLE regress_loader;
SELECT ownership.guard('feed.item');
SELECT ownership.guard('feed.supplier');
SELECT ownership.guard('feed.fresh');
RESET ROLE;
TABLE behind;
-- the next DDL does it, too
ALTER TABLE single SET (fillfactor = 90);
SELECT ownership.guard('single');
TABLE behind;
SELECT relation, column_name, owner, row_owners, guarded FROM ownership.map ORDER BY 1, 2;
SELECT count(*) FROM ownership.risks WHERE severity = 'high';

-- What somebody took off the map, or a load left behind, is no miss.
DELETE FROM ownership.mirrored_table WHERE table_name = 'fresh';
DELETE FROM ownership.mirrored_column WHERE column_name = 'weight';
SET ROLE regress_loader;
BEGIN;
CREATE TABLE feed.supplier_new (id int PRIMARY KEY, iban text);
ALTER TABLE feed.supplier RENAME TO supplier_old;
ALTER TABLE feed.supplier_new RENAME TO supplier;
COMMIT;
-- within a transaction that is not settled
BEGIN;
CREATE TABLE feed.soon (id int PRIMARY KEY);
ALTER TABLE feed.item ADD soon int;
SELECT count(*) FROM ownership.map_behind();
COMMIT;
RESET ROLE;
SELECT relation, column_name FROM ownership.map WHERE column_name = 'soon' OR relation = 'feed.soon' OR relation LIKE 'feed.supplier%' ORDER BY 1, 2;
TABLE behind;
SELECT ownership.guard('feed.fresh');
-- Put on the map again, it is followed again.
INSERT INTO ownership.mirrored_table VALUES ('feed', 'fresh');
ALTER EVENT TRIGGER ownership_end DISABLE;
ALTER TABLE feed.fresh ADD later int;
ALTER TABLE feed.supplier_old RENAME TO supplier_older;
TABLE behind;
ALTER EVENT TRIGGER ownership_end ENABLE ALWAYS;

-- What cannot be done at the commit is a risk, and tried again at the next DDL.
ALTER TABLE ownership.field ADD CONSTRAINT refuses CHECK (name <> 'unlucky');
SET client_min_messages = error;
CREATE TABLE feed.unlucky (id int PRIMARY KEY, unlucky int);
ALTER TABLE feed.item ADD unlucky int;
SET client_min_messages = warning;
SELECT severity, relation, column_name FROM behind ORDER BY 2, 3;
ALTER TABLE ownership.field DROP CONSTRAINT refuses;
ALTER TABLE feed.item ADD lucky int;
SELECT ownership.guard('feed.unlucky');
SELECT severity, relation, column_name FROM behind ORDER BY 2, 3;
SELECT relation, column_name FROM ownership.map WHERE column_name LIKE '%lucky' ORDER BY 1, 2;

DROP VIEW behind;
DROP TABLE single;
DROP EXTENSION ownership;
DROP SCHEMA feed CASCADE;
DROP OWNED BY regress_loader;
DROP ROLE regress_loader, regress_erp;
