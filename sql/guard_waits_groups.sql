-- A group that comes in parts, while its row is not there: as in a row that is there, a part
-- leaves the rest of the group as it was.
SET client_min_messages = warning;
CREATE EXTENSION ownership;
\set VERBOSITY terse
\pset null '-'
\o /dev/null
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
CREATE TABLE customer (id int PRIMARY KEY, name text, street text, city text, zip text DEFAULT '00000', phone text);
SELECT ownership.assign('customer', '{id,name}', 'erp', policy => 'keep'), ownership.assign('customer', '{phone}', 'crm', policy => 'keep'),
	ownership.assign('customer', '{street,city,zip}', 'crm', policy => 'fill', column_group => 'address');
\o
CREATE VIEW waits AS SELECT row_key->>'id' AS id, outcome, columns, coalesce(proposed, stored) AS values, resolution FROM ownership.conflict ORDER BY conflict.id;

-- row 1 is there when the parts come, row 2 is not
SET ownership.system = 'erp';
INSERT INTO customer (id, name) VALUES (1, 'Mary');
SET ownership.system = 'crm';
INSERT INTO customer (id, street, zip) VALUES (1, '350 5th Ave', '10118'), (2, '350 5th Ave', '10118')
	ON CONFLICT (id) DO UPDATE SET street = excluded.street, zip = excluded.zip;
INSERT INTO customer (id, phone) VALUES (1, '123'), (2, '123') ON CONFLICT (id) DO UPDATE SET phone = excluded.phone;
INSERT INTO customer (id, city) VALUES (1, 'New York'), (2, 'New York') ON CONFLICT (id) DO UPDATE SET city = excluded.city;
TABLE waits;
INSERT INTO customer (id, city) VALUES (2, 'New York');
TABLE waits;
-- the rest of the group does not mix with what the creator brings
INSERT INTO customer (id, city) VALUES (3, 'Berlin');
SET ownership.system = 'erp';
INSERT INTO customer (id, name) VALUES (2, 'Mary');
INSERT INTO customer (id, name, street) VALUES (3, 'Paul', 'Wall St 1');
SELECT * FROM customer ORDER BY id;

-- of a row that was deleted, too, also in the same transaction
DELETE FROM customer;
SET ownership.system = 'crm';
INSERT INTO customer (id, city) VALUES (2, 'Albany');
SET ownership.system = 'erp';
INSERT INTO customer (id, name) VALUES (2, 'Mary');
SELECT * FROM customer;
BEGIN;
DELETE FROM customer;
SET LOCAL ownership.system = 'crm';
INSERT INTO customer (id, zip) VALUES (2, '12207');
SET LOCAL ownership.system = 'erp';
INSERT INTO customer (id, name) VALUES (2, 'Mary');
COMMIT;
SELECT * FROM customer;

-- what the system says of the whole group replaces it
DELETE FROM customer;
SET ownership.system = 'crm';
INSERT INTO customer (id, city, street, zip) VALUES (2, 'Buffalo', 'Main St', '14201');
SET ownership.system = 'erp';
INSERT INTO customer (id, name) VALUES (2, 'Mary');
SELECT * FROM customer;

RESET ownership.system;
DROP VIEW waits;
DROP TABLE customer;
DROP EXTENSION ownership;
