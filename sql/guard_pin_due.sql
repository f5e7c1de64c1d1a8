-- Pins whose time is over, of fields with a history: each value that goes in is a write of its own system of record.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'); END $$;
CREATE TABLE customer (id int PRIMARY KEY, phone text, mail text, changes int DEFAULT 0);
CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changes := OLD.changes + 1; RETURN NEW; END $$;
CREATE TRIGGER count_changes BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION count_changes();
DO $$ BEGIN
	PERFORM ownership.assign('customer', '{id,phone}', 'erp', policy => 'keep'), ownership.assign('customer', '{mail}', 'crm', policy => 'keep'), ownership.assign('customer', '{changes}', NULL);
	UPDATE ownership.field SET history = true WHERE name <> 'id';
END $$;
CREATE PROCEDURE as_system(name text, statement text) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM set_config('ownership.system', name, false);
	EXECUTE statement;
	PERFORM set_config('ownership.system', '', false);
END $$;
-- both owners send another value while theirs is pinned, and the time comes
CREATE PROCEDURE due() LANGUAGE plpgsql AS $$ BEGIN
	PERFORM ownership.pin_value('customer', '{"id": 1}', 'phone', 'held', until => '2100-01-01'), ownership.pin_value('customer', '{"id": 1}', 'mail', 'held', until => '2100-01-01');
	CALL as_system('erp', $e$UPDATE customer SET phone = phone || '+', changes = 0$e$);
	CALL as_system('crm', $c$UPDATE customer SET mail = mail || '+'$c$);
	UPDATE ownership.pin SET until = now() - interval '1 second' WHERE ended_at IS NULL;
	DELETE FROM ownership.history;
END $$;
CALL as_system('erp', $$INSERT INTO customer VALUES (1, '030')$$);
CALL as_system('crm', $$UPDATE customer SET mail = 'a@example.com'$$);

CALL due();
SELECT ownership.pin_due();
TABLE customer;
SELECT system, columns, stored, proposed FROM ownership.history ORDER BY columns;
SELECT count(*) FROM ownership.pin WHERE ended_at IS NULL;
-- flush() does the same
CALL due();
SELECT ownership.flush();
TABLE customer;
SELECT system, columns FROM ownership.history ORDER BY columns;

DROP EXTENSION ownership CASCADE;
DROP TABLE customer;
DROP FUNCTION count_changes;
DROP PROCEDURE as_system, due;
