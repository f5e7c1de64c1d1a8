-- apply_waiting(), and what goes on waiting: groups, values that the row has by now, values that did not fit; decisions that are rolled back.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'); END $$;
CREATE TABLE customer (id int PRIMARY KEY, street text, city text, phone text CHECK (phone <> 'none'), size int DEFAULT 1, memo text);
DO $$ BEGIN
	PERFORM ownership.assign('customer', '{id}', 'erp', policy => 'keep'), ownership.assign('customer', '{street,city}', 'crm', policy => 'keep', column_group => 'address'),
		ownership.assign('customer', '{phone,size}', 'crm', policy => 'keep');
END $$;
CREATE VIEW waits AS SELECT row_key, outcome, columns, coalesce(proposed, stored) AS waits, problem, resolution FROM ownership.conflict
	WHERE outcome IN ('parked', 'remembered') ORDER BY row_key, id;
CREATE PROCEDURE as_system(name text, statement text) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM set_config('ownership.system', name, false);
	EXECUTE statement;
	PERFORM set_config('ownership.system', '', false);
END $$;
CREATE PROCEDURE unguarded(statement text) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM set_config('ownership.enforcement', 'off', false);
	EXECUTE statement;
	PERFORM set_config('ownership.enforcement', 'on', false);
END $$;

-- 1: a part of the group was written since: it goes on waiting, whole. 2: the row has what waits. 3: it has other values.
CALL as_system('crm', $$INSERT INTO customer (id, street, city, phone, size) VALUES (1, 'Wall St', NULL, '1', 2), (2, 'Wall St', 'New York', '2', 2), (3, 'Wall St', 'New York', '3', 2)$$);
CALL unguarded($$INSERT INTO customer VALUES (1, NULL, 'Boston', NULL, 1), (2, 'Wall St', 'New York', '2', 2), (3, 'Elm St', 'Boston', '4', 3)$$);
SELECT ownership.apply_waiting('customer');
TABLE customer ORDER BY id;
TABLE waits;
-- the owner's newer value is gone, and what waits takes its place
CALL unguarded('UPDATE customer SET city = NULL WHERE id = 1');
SELECT ownership.apply_waiting('customer');
SELECT * FROM customer WHERE id = 1;
DELETE FROM ownership.conflict;

-- what another system owns by now is superseded, also where the rest goes on waiting
CALL unguarded('DELETE FROM customer');
CALL as_system('crm', $$INSERT INTO customer (id, phone, size) VALUES (1, '1', 2)$$);
CALL unguarded($$INSERT INTO customer (id, phone) VALUES (1, '9')$$);
UPDATE ownership.field SET owner = 'erp' WHERE name = 'size';
SELECT ownership.apply_waiting('customer');
TABLE customer;
TABLE waits;
UPDATE ownership.field SET owner = 'crm' WHERE name = 'size';
DELETE FROM ownership.conflict;

-- within the transaction that deleted the row, what is applied leaves no evidence
BEGIN;
CALL as_system('erp', 'DELETE FROM customer WHERE id = 1');
CALL unguarded($$INSERT INTO customer (id, phone) VALUES (1, '8')$$);
SELECT ownership.apply_waiting('customer');
TABLE waits;
ROLLBACK;

-- what did not fit is tried again when the row is made again, and a newer value supersedes it
CALL unguarded('TRUNCATE customer');
DELETE FROM ownership.conflict;
CALL as_system('crm', $$INSERT INTO customer (id, phone, size) VALUES (1, 'none', 5), (2, 'none', 5)$$);
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (1), (2)');
TABLE customer ORDER BY id;
CALL as_system('crm', $$UPDATE customer SET phone = '22' WHERE id = 2$$);
CALL as_system('erp', 'DELETE FROM customer');
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (1), (2)');
TABLE customer ORDER BY id;
TABLE waits;
ALTER TABLE customer DROP CONSTRAINT customer_phone_check;
CALL as_system('erp', 'DELETE FROM customer');
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (1), (2)');
TABLE customer ORDER BY id;
SELECT * FROM waits WHERE resolution IS NULL;

-- a decision that is rolled back, after which the session has read the map: the values go on waiting, and land
CALL unguarded('TRUNCATE customer');
DELETE FROM ownership.conflict;
CALL as_system('crm', $$INSERT INTO customer (id, phone, memo) VALUES (1, '1', 'm')$$);
BEGIN;
SELECT ownership.dismiss(id) FROM ownership.conflict;
SAVEPOINT s;
UPDATE ownership.field SET policy = 'fill' WHERE name = 'phone';
ROLLBACK TO s;
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (2)');
ROLLBACK;
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (1)');
TABLE customer;
CALL unguarded('TRUNCATE customer');
DELETE FROM ownership.conflict;
CALL as_system('crm', $$INSERT INTO customer (id, phone, memo) VALUES (1, '1', 'm')$$);
UPDATE ownership.field SET policy = 'keep' WHERE name = 'phone';
BEGIN;
SELECT ownership.accept(id) FROM ownership.conflict;
-- the row has what the evidence says of columns off the map
TABLE customer;
ROLLBACK;
CALL as_system('erp', 'INSERT INTO customer (id) VALUES (1)');
TABLE customer;
TABLE waits;

DROP VIEW waits;
DROP PROCEDURE as_system, unguarded;
DROP EXTENSION ownership CASCADE;
DROP TABLE customer;
