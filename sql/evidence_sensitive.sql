-- Sensitive fields: what evidence contains of their values.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
CREATE TABLE person (id int PRIMARY KEY, name text, phone text, iban text, note text);
GRANT ALL ON person TO PUBLIC;
INSERT INTO person VALUES (1, 'Eva', '+1 212', 'DE01', 'n'), (2, 'Ada', '+1 646', 'DE02', 'm');
INSERT INTO ownership.domain (name, sensitive) VALUES ('bank', true);
SELECT ownership.assign('person', '{id,name,phone,iban}', 'erp', policy => 'observe'), ownership.assign('person', '{note}', 'crm');
UPDATE ownership.field SET sensitive = true WHERE entity = 'person' AND name = 'phone';
UPDATE ownership.field SET domain = 'bank' WHERE entity = 'person' AND name = 'iban';
CREATE FUNCTION told() RETURNS TABLE (operation text, outcome text, row_key jsonb, columns name[], stored jsonb, proposed jsonb) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM ownership.conflict RETURNING *)
	SELECT operation, outcome, row_key, columns, stored, proposed FROM gone ORDER BY id$$;

-- allowed: observed, filled, overridden
SET ROLE regress_crm;
UPDATE person SET name = 'Eve', phone = '+49 30', iban = NULL WHERE id = 1;
INSERT INTO person VALUES (3, 'Bob', '+49 40', 'FR03', 'b');
DELETE FROM person WHERE id = 3;
RESET ROLE;
UPDATE ownership.field SET policy = 'fill' WHERE entity = 'person' AND name = 'iban';
SET ROLE regress_crm;
UPDATE person SET iban = 'IT04' WHERE id = 1;
SET ROLE regress_steward;
UPDATE person SET phone = '+1 999', name = 'Eva' WHERE id = 1;
RESET ROLE;
SELECT * FROM told();

-- kept and discarded: nothing is lost
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'person';
SET ROLE regress_crm;
UPDATE person SET phone = '+49 30', iban = NULL WHERE id = 1;
INSERT INTO person (id, phone, iban) VALUES (4, '+49 50', 'FR05');
RESET ROLE;
SELECT column_name, refused, stored, note FROM ownership.disagreements ORDER BY column_name COLLATE "C";
SELECT * FROM told();

-- rejected: the client, the attempt
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'person';
SET ROLE regress_crm;
UPDATE person SET phone = '+49 30', name = 'Eve' WHERE id = 1;
INSERT INTO person (id, phone, iban) VALUES (5, '+49 50', 'FR05');
RESET ROLE;
SELECT ownership.flush();
SELECT column_name, refused, stored, note FROM ownership.disagreements ORDER BY 1, 2;
SELECT ownership.accept(max(id)) FROM ownership.conflict WHERE operation = 'UPDATE';
SELECT event, system, value, detail FROM ownership.why('person.phone', '{"id": 1}') WHERE event = 'rejected';
SELECT * FROM told();

-- revert: it says what is not there
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'person';
SET ROLE regress_crm;
UPDATE person SET phone = '+49 30', name = 'Eve' WHERE id = 1;
DELETE FROM person WHERE id = 2;
RESET ROLE;
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('crm', '-infinity', dry_run => false) ORDER BY 1, 2;
SELECT * FROM person ORDER BY id;

-- a sensitive key names its row all the same
UPDATE ownership.field SET sensitive = true WHERE entity = 'person' AND name = 'id';
SELECT count(*) FROM told();
SET ROLE regress_crm;
UPDATE person SET id = 7, name = 'Ida' WHERE id = 1;
RESET ROLE;
SELECT * FROM told();
-- no longer sensitive
UPDATE ownership.field SET sensitive = false WHERE entity = 'person';
SET ROLE regress_crm;
UPDATE person SET phone = '1', iban = '2' WHERE id = 7;
RESET ROLE;
SELECT * FROM told();

DROP FUNCTION told;
DROP TABLE person;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_crm, regress_steward;
