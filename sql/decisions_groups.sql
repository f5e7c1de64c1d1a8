-- Decisions on groups: accept(), revert() and link() take a value of several columns whole.
CREATE EXTENSION ownership;
\set VERBOSITY default
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'); END $$;
CREATE TABLE customer (id int PRIMARY KEY, street text, city text, zip text DEFAULT '-', note text);
GRANT ALL ON customer TO PUBLIC;
DO $$ BEGIN
	PERFORM ownership.assign('customer', '{id,note}', 'erp'), ownership.assign('customer', '{street,city,zip}', 'crm', policy => 'observe', column_group => 'address');
	UPDATE ownership.field SET on_blank = NULL, domain = NULL;
END $$;
CREATE PROCEDURE fresh(policy text, history boolean DEFAULT false) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('ownership.enforcement', 'off', false);
	DELETE FROM customer;
	INSERT INTO customer SELECT id, 'Unter den Linden ' || id, 'Berlin', '10115', 'n' FROM generate_series(1, 6) id;
	PERFORM set_config('ownership.enforcement', 'on', false);
	UPDATE ownership.field f SET policy = fresh.policy, history = fresh.history WHERE column_group = 'address';
	DELETE FROM ownership.conflict;
	DELETE FROM ownership.history;
END $$;
CREATE PROCEDURE run(role text, statement text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE statement;
	PERFORM set_config('role', 'none', true);
END $$;

-- revert(): a group is put back whole, or it is left.  1: nobody has written since.  2: the owner has written a part.
-- 3: the owner has put back a part.  4: all of it is put back.  5: the system itself has written a part twice.
-- 6: so it has, and the owner has written that part since.
CALL fresh('observe');
CALL run('regress_erp', $$UPDATE customer SET street = '350 5th Ave', city = 'New York', zip = '10118'$$);
CALL run('regress_crm', $$UPDATE customer SET city = 'Boston' WHERE id = 2$$);
CALL run('regress_crm', $$UPDATE customer SET city = 'Berlin' WHERE id = 3$$);
CALL run('regress_crm', $$UPDATE customer SET street = 'Unter den Linden 4', city = 'Berlin', zip = '10115' WHERE id = 4$$);
CALL run('regress_erp', $$UPDATE customer SET city = 'Newark', note = 'm' WHERE id IN (5, 6)$$);
CALL run('regress_crm', $$UPDATE customer SET city = 'Boston' WHERE id = 6$$);
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', '-infinity') ORDER BY row_key ->> 'id', column_name COLLATE "C", conflict_id;
SELECT outcome, count(*) FROM ownership.revert('erp', '-infinity', dry_run => false) GROUP BY 1 ORDER BY 1;
TABLE customer ORDER BY id;

-- the history of the group tells also of columns that the write did not name
CALL fresh('observe', true);
CALL run('regress_erp', $$UPDATE customer SET street = '350 5th Ave', zip = '10118' WHERE id IN (1, 2, 3)$$);
CALL run('regress_crm', $$UPDATE customer SET city = 'Boston' WHERE id = 2$$);
CALL run('regress_crm', $$UPDATE customer SET street = 'Wall St', city = 'New York', zip = '10005' WHERE id = 3$$);
CALL run('regress_erp', $$UPDATE customer SET street = '350 5th Ave', zip = '10118' WHERE id = 3$$);
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', '-infinity') ORDER BY row_key ->> 'id', column_name COLLATE "C";
SELECT outcome, count(*) FROM ownership.revert('erp', '-infinity', dry_run => false) GROUP BY 1 ORDER BY 1;
TABLE customer ORDER BY id;
-- an owner's own bad night, and a part of it that is in history alone
CALL fresh('observe');
UPDATE ownership.field SET history = name = 'street' WHERE column_group = 'address';
CALL run('regress_erp', $$UPDATE customer SET street = '350 5th Ave', city = 'New York', zip = '10118' WHERE id < 3$$);
CALL run('regress_crm', $$UPDATE customer SET zip = '02101' WHERE id = 2$$);
SELECT outcome, count(*) FROM ownership.revert('erp', '-infinity', dry_run => false) GROUP BY 1 ORDER BY 1;
SELECT * FROM customer WHERE id < 3 ORDER BY id;

-- what a DELETE took along goes back whole, where no part of it was written since the row is there again
CALL fresh('keep');
CALL run('regress_erp', 'DELETE FROM customer WHERE id < 3');
SET ownership.enforcement = off;
INSERT INTO customer (id) VALUES (1), (2);
RESET ownership.enforcement;
CALL run('regress_crm', $$UPDATE customer SET city = 'Boston' WHERE id = 2$$);
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', '-infinity', dry_run => false) ORDER BY row_key ->> 'id', column_name COLLATE "C";
SELECT * FROM customer WHERE id < 3 ORDER BY id;

-- accept(): what the writer has replaced in part since is written whole
CALL fresh('keep');
CALL run('regress_erp', $$UPDATE customer SET street = 'Wall St', city = 'New York' WHERE id < 4$$);
CALL run('regress_erp', $$UPDATE customer SET city = 'NYC' WHERE id IN (1, 2)$$);
CALL run('regress_erp', $$UPDATE customer SET street = '5th Ave', city = 'Manhattan' WHERE id = 3$$);
SELECT ownership.accept(min(id)) FROM ownership.conflict WHERE row_key = '{"id": 1}';
SELECT ownership.accept(array_agg(id)) FROM ownership.conflict WHERE row_key = '{"id": 2}';
-- all of it is replaced
SELECT min(id) AS id FROM ownership.conflict WHERE row_key = '{"id": 3}' \gset
\set VERBOSITY sqlstate
SELECT ownership.accept(:id);
\set VERBOSITY default
SELECT * FROM customer WHERE id < 4 ORDER BY id;

-- a row that was not created, and is there by now: a group goes in whole, its NULLs too
CALL fresh('keep');
UPDATE ownership.mirrored_table SET remember = '0';
DELETE FROM ownership.mirrored_column WHERE column_name = 'note';
SET ownership.enforcement = off;
DELETE FROM customer WHERE id > 2;
RESET ownership.enforcement;
UPDATE ownership.field SET policy = 'keep' WHERE key;
CALL run('regress_crm', $$INSERT INTO customer (id, street, city, zip) VALUES (7, 'Wall St', NULL, '10005'), (8, 'Wall St', 'New York', '10005'),
	(9, NULL, NULL, NULL), (10, 'Wall St', NULL, '10005')$$);
SELECT outcome, columns, proposed FROM ownership.conflict ORDER BY id;
UPDATE ownership.conflict SET outcome = 'discarded', columns = '{id}', proposed = proposed || row_key WHERE outcome = 'parked';
SET ownership.enforcement = off;
INSERT INTO customer (id, city) VALUES (7, 'Boston'), (8, NULL), (9, 'Boston'), (10, 'Boston');
RESET ownership.enforcement;
SET client_min_messages = notice;
-- what its own owner brought goes where nothing is; what another one brought replaces the group
UPDATE ownership.conflict SET system = 'erp' WHERE row_key = '{"id": 10}';
SELECT ownership.accept(id) FROM ownership.conflict ORDER BY id;
SELECT * FROM customer WHERE id > 6 ORDER BY id;

-- link(): a notice tells that a column leaves its group; the map refuses a key in one
SELECT ownership.link('address.zip', '{customer.zip}');
SELECT entity, name, owner, column_group FROM ownership.field ORDER BY entity COLLATE "C", name COLLATE "C";
SELECT ownership.link('customer.town', '{customer.city}');
CREATE TABLE street (street text PRIMARY KEY);
SELECT ownership.link('customer.street', '{street.street}');

DROP TABLE customer, street;
DROP PROCEDURE fresh, run;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_crm;
