-- While a schema is dropped for a reload, somebody else may make one of its
-- name.  The map waits for the name, is that of whatever carries it, and does not
-- go away with it: nor with a table there, nor do the patterns.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_loader;
CREATE ROLE regress_stranger;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO regress_loader, regress_stranger;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
SET ROLE regress_loader;
CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, price numeric);
CREATE TABLE netsuite.vendor (id int PRIMARY KEY, iban text);
RESET ROLE;
SELECT ownership.add_tables('netsuite.*', source => 'erp');
CREATE VIEW state AS SELECT relation, string_agg(column_name, ', ' ORDER BY column_name) AS columns, bool_and(guarded) AS guarded FROM ownership.map GROUP BY 1 ORDER BY 1;

-- the loader's own renames are followed
SET ROLE regress_loader;
ALTER SCHEMA netsuite RENAME TO ns;
RESET ROLE;
TABLE state;
SELECT pattern FROM ownership.mirrored_pattern;
SET ROLE regress_loader;
ALTER TABLE ns.vendor RENAME TO supplier;
ALTER SCHEMA ns RENAME TO netsuite;
ALTER TABLE netsuite.supplier RENAME TO vendor;
-- one of them waits, and goes along
DROP TABLE netsuite.vendor;
ALTER SCHEMA netsuite RENAME TO ns;
RESET ROLE;
TABLE state;
SET ROLE regress_loader;
ALTER SCHEMA ns RENAME TO netsuite;
RESET ROLE;
TABLE state;

-- it is gone, and a stranger makes one
SET ROLE regress_loader;
DROP SCHEMA netsuite CASCADE;
SET ROLE regress_stranger;
CREATE SCHEMA netsuite;
ALTER SCHEMA netsuite RENAME TO mine;
RESET ROLE;
TABLE state;
SELECT pattern FROM ownership.mirrored_pattern;
-- with tables
SET ROLE regress_stranger;
ALTER SCHEMA mine RENAME TO netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, price numeric);
CREATE TABLE netsuite.vendor (id int PRIMARY KEY, iban text);
RESET ROLE;
TABLE state;
SET ROLE regress_stranger;
ALTER TABLE netsuite.vendor RENAME TO theirs;
CREATE SCHEMA elsewhere;
ALTER TABLE netsuite.item SET SCHEMA elsewhere;
ALTER SCHEMA netsuite RENAME TO mine;
DROP SCHEMA mine, elsewhere CASCADE;
RESET ROLE;
SELECT relation, columns FROM state;
SELECT pattern FROM ownership.mirrored_pattern;
SELECT relid <> 0 AS bound FROM ownership.bound_table WHERE table_name IN ('item', 'vendor');

-- the loader comes, and has its map
SET ROLE regress_loader;
CREATE SCHEMA netsuite;
CREATE TABLE netsuite.item (id int PRIMARY KEY, price numeric, weight int);
CREATE TABLE netsuite.vendor (id int PRIMARY KEY, iban text);
RESET ROLE;
SELECT * FROM state WHERE relation IN ('netsuite.item', 'netsuite.vendor');
SET ROLE regress_loader;
ALTER SCHEMA netsuite RENAME TO ns;
RESET ROLE;
SELECT * FROM state WHERE relation LIKE '%item' OR relation LIKE '%vendor';
SELECT pattern FROM ownership.mirrored_pattern;

-- who may edit the map says what it means: the new owner's schema
SET ROLE regress_loader;
DROP SCHEMA ns CASCADE;
SET ROLE regress_stranger;
CREATE SCHEMA ns;
CREATE TABLE ns.item (id int PRIMARY KEY, price numeric);
RESET ROLE;
UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_name = 'item';
SELECT ownership.add_tables('ns.*', source => 'erp');
INSERT INTO ownership.mirrored_table VALUES ('ns', 'later');
DELETE FROM ownership.mirrored_table WHERE table_name = 'later';
SELECT name, schema::regnamespace = 'ns'::regnamespace AS it FROM ownership.bound_schema ORDER BY 1;

DROP VIEW state;
DROP EXTENSION ownership;
DROP SCHEMA ns CASCADE;
REVOKE CREATE ON DATABASE :"db" FROM regress_loader, regress_stranger;
DROP ROLE regress_loader, regress_stranger;
