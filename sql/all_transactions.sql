-- Errors, savepoints, prepared transactions and cancelled statements leave
-- neither wrong caches nor memory behind: after each, the next verdict is right.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_owner;
GRANT CREATE ON SCHEMA public TO regress_owner;
CREATE TABLE product (id int PRIMARY KEY, price int, title text, note int, status text);
INSERT INTO product SELECT i, 1, 't', 1, 's' FROM generate_series(1, 5) i;
ALTER TABLE product OWNER TO regress_owner;
GRANT ALL ON product TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.assign('product', '{id,price,status}', 'erp', policy => 'reject'), ownership.assign('product', '{title}', 'erp', policy => 'keep');
SELECT ownership.assign('product', '{note}', 'crm');
CREATE VIEW evidence AS SELECT row_key, operation, outcome, columns, proposed FROM ownership.conflict WHERE outcome <> 'rejected' ORDER BY id;
GRANT SELECT ON evidence TO PUBLIC;
RESET client_min_messages;

--
-- Memory: statements that fail after they left evidence, statements that do not
--
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';
CREATE FUNCTION grows(what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	SET LOCAL client_min_messages = warning;
	FOR i IN 1 .. 600 LOOP
		IF i = 100 THEN before := used(); END IF;
		BEGIN
			EXECUTE what USING i;
		EXCEPTION WHEN insufficient_privilege THEN
			NULL;
		END;
	END LOOP;
	RETURN used() - before > 500 * 1000;
END $$;
CREATE TABLE grown (id int PRIMARY KEY, price int, title text, note int);
INSERT INTO grown SELECT i, 1, 't', 1 FROM generate_series(1, 600) i;
GRANT ALL ON grown TO PUBLIC;
SELECT ownership.assign('grown', '{id,price}', 'erp', policy => 'reject'), ownership.assign('grown', '{title}', 'erp', policy => 'keep');
SET ROLE regress_crm;
SELECT grows('UPDATE grown SET title = $1::text, price = 0 WHERE id = $1');
SELECT grows('UPDATE grown SET title = $1::text, note = $1 WHERE id = $1');
SELECT grows('INSERT INTO grown (id, title) VALUES ($1, $1::text || ''+'') ON CONFLICT (id) DO UPDATE SET title = excluded.title, price = 0');
RESET ROLE;
DELETE FROM ownership.mirrored_table WHERE table_name = 'grown';
DROP TABLE grown;
TRUNCATE ownership.conflict;

--
-- Evidence that cannot be written fails the write, and nothing else
--
ALTER TABLE ownership.conflict ADD CONSTRAINT refuses CHECK (application_name <> 'refused') NOT VALID;
SET ROLE regress_crm;
SET application_name = 'refused';
UPDATE product SET title = 'a', note = 2 WHERE id = 1;
BEGIN;
UPDATE product SET note = 2 WHERE id = 1;
SAVEPOINT s;
UPDATE product SET title = 'a', note = 3;
ROLLBACK TO s;
SET LOCAL application_name = 'taken';
UPDATE product SET title = 'b', note = 4 WHERE id <= 2;
COMMIT;
RESET application_name;
UPDATE product SET price = 2;
UPDATE product SET note = note + 1 WHERE id = 1 RETURNING note, title;
TABLE evidence;
RESET ROLE;
ALTER TABLE ownership.conflict DROP CONSTRAINT refuses;
-- nor does what a trigger of somebody's on it does
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END;
	IF NEW.proposed ->> 'title' = 'fails' THEN RAISE EXCEPTION 'evidence is not wanted'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER fails BEFORE INSERT ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION fails();
SET ROLE regress_crm;
DO $$ BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			UPDATE product SET title = CASE i WHEN 2 THEN 'fails' ELSE 'x' || i END, note = i WHERE id IN (1, i);
		EXCEPTION WHEN raise_exception THEN
			RAISE NOTICE '%: %', i, SQLERRM;
		END;
	END LOOP;
END $$;
TABLE evidence;
RESET ROLE;
DROP TRIGGER fails ON ownership.conflict;
TRUNCATE ownership.conflict;

--
-- A change of the map that is rolled back was none, for what was lifted by it
--
SET ROLE regress_crm;
BEGIN;
UPDATE product SET note = 10 WHERE id = 1;
SAVEPOINT s;
SET LOCAL ROLE NONE;
UPDATE ownership.field SET owner = 'erp' WHERE name = 'note';
UPDATE ownership.field SET owner = 'crm' WHERE name = 'price';
SET LOCAL ROLE regress_crm;
UPDATE product SET price = 11 WHERE id = 1;
SAVEPOINT t;
UPDATE product SET note = 11 WHERE id = 1;
ROLLBACK TO t;
ROLLBACK TO s;
UPDATE product SET note = 12 WHERE id = 1;
UPDATE product SET price = 12 WHERE id = 1;
ROLLBACK;
RESET ROLE;
SELECT price, note FROM product WHERE id = 1;

--
-- Prepared transactions
--
SET ROLE regress_crm;
BEGIN;
UPDATE product SET title = 'prepared', note = 20 WHERE id = 2;
SAVEPOINT s;
UPDATE product SET title = 'not prepared';
ROLLBACK TO s;
PREPARE TRANSACTION 'regress_evidence';
TABLE evidence;
UPDATE product SET note = 21 WHERE id = 1;
COMMIT PREPARED 'regress_evidence';
TABLE evidence;
BEGIN;
UPDATE product SET title = 'prepared again', note = 22 WHERE id = 2;
PREPARE TRANSACTION 'regress_evidence';
ROLLBACK PREPARED 'regress_evidence';
TABLE evidence;
SELECT title, note FROM product WHERE id = 2;
RESET ROLE;
-- of the map, and of tables
BEGIN;
UPDATE ownership.field SET owner = 'crm' WHERE name = 'price';
PREPARE TRANSACTION 'regress_map';
SET ROLE regress_crm;
UPDATE product SET price = 30 WHERE id = 1;
RESET ROLE;
COMMIT PREPARED 'regress_map';
SET ROLE regress_crm;
UPDATE product SET price = 31 WHERE id = 1;
RESET ROLE;
BEGIN;
UPDATE ownership.field SET owner = 'erp' WHERE name = 'price';
PREPARE TRANSACTION 'regress_map';
ROLLBACK PREPARED 'regress_map';
SET ROLE regress_crm;
UPDATE product SET price = 32 WHERE id = 1;
RESET ROLE;
UPDATE ownership.field SET owner = 'erp' WHERE name = 'price';
BEGIN;
ALTER TABLE product RENAME note TO remark;
PREPARE TRANSACTION 'regress_ddl';
ROLLBACK PREPARED 'regress_ddl';
SET ROLE regress_crm;
UPDATE product SET note = 33 WHERE id = 1;
UPDATE product SET price = 33 WHERE id = 1;
RESET ROLE;
BEGIN;
ALTER TABLE product RENAME note TO remark;
PREPARE TRANSACTION 'regress_ddl';
COMMIT PREPARED 'regress_ddl';
SET ROLE regress_crm;
UPDATE product SET remark = 34 WHERE id = 1;
UPDATE product SET price = 34 WHERE id = 1;
RESET ROLE;
ALTER TABLE product RENAME remark TO note;
SELECT column_name, owner, guarded FROM ownership.map;
TRUNCATE ownership.conflict;

--
-- Row filters that fail in the middle: a function in SQL is called again as if
-- nothing had happened, also in the same transaction
--
CREATE TABLE seen (id int);
INSERT INTO seen VALUES (1);
GRANT ALL ON seen TO PUBLIC;
SET ROLE regress_owner;
CREATE FUNCTION is_seen(i int) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT 1 / (i - 3) > -100 AND EXISTS (SELECT FROM public.seen WHERE id = i) $$;
-- who writes need not be allowed to call it
REVOKE ALL ON FUNCTION is_seen FROM PUBLIC;
RESET ROLE;
SELECT ownership.assign_rows('product', '{status}', 'crm', 'public.is_seen(id)');
SET ROLE regress_crm;
BEGIN;
UPDATE product SET status = 'a' WHERE id = 1;
SAVEPOINT s;
UPDATE product SET status = 'a' WHERE id = 3;
ROLLBACK TO s;
UPDATE product SET status = 'b' WHERE id = 1 RETURNING status;
UPDATE product SET status = 'b' WHERE id = 2;
ROLLBACK TO s;
INSERT INTO seen VALUES (2);
UPDATE product SET status = 'c' WHERE id = 2 RETURNING status;
COMMIT;
DO $$ BEGIN
	FOR i IN 1 .. 4 LOOP
		BEGIN
			UPDATE product SET status = 'd' WHERE id = i;
			RAISE NOTICE '% may be written', i;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: %', i, SQLERRM;
		END;
	END LOOP;
END $$;
RESET ROLE;
-- an error while the map is loaded, or a cancelled load, and a filter that works again
CREATE FUNCTION cancel() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT pg_cancel_backend(pg_backend_pid()); SELECT pg_sleep(60)';
SET ROLE regress_owner;
CREATE FUNCTION sometimes(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	IF current_setting('regress.cancel', true) = 'on' THEN PERFORM public.cancel(); END IF;
	IF current_setting('regress.fail', true) = 'on' THEN RAISE EXCEPTION 'not now'; END IF;
	RETURN true;
END $$;
RESET ROLE;
UPDATE ownership.row_owner SET row_filter = $$public.sometimes('x') AND id = 1$$;
SET ROLE regress_crm;
SET regress.fail = on;
UPDATE product SET status = 'e' WHERE id = 1;
UPDATE product SET note = 40 WHERE id = 1;
RESET regress.fail;
SET regress.cancel = on;
UPDATE product SET note = 40 WHERE id = 1;
RESET regress.cancel;
UPDATE product SET status = 'e', note = 40 WHERE id = 1 RETURNING status, note;
UPDATE product SET status = 'e' WHERE id = 2;
RESET ROLE;
DELETE FROM ownership.row_owner;

--
-- Cancelled statements: judged, and lifted
--
CREATE FUNCTION cancels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.id = 3 THEN PERFORM cancel(); END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER cancels AFTER UPDATE ON product FOR EACH ROW EXECUTE FUNCTION cancels();
SET ROLE regress_crm;
UPDATE product SET title = 'cancelled', note = 50;
UPDATE product SET note = 50;
BEGIN;
SAVEPOINT s;
UPDATE product SET note = 50;
ROLLBACK TO s;
UPDATE product SET title = 'after', note = 51 WHERE id = 1;
UPDATE product SET price = 51 WHERE id = 1;
ROLLBACK TO s;
UPDATE product SET note = 52 WHERE id = 1 RETURNING note;
COMMIT;
RESET ROLE;
DROP TRIGGER cancels ON product;
TABLE evidence;

--
-- A default that writes the table, and writes as somebody else meanwhile
--
CREATE SEQUENCE logs START 1001;
GRANT ALL ON logs TO PUBLIC;
CREATE FUNCTION logged() RETURNS text LANGUAGE plpgsql SET role = 'regress_erp' AS $$ BEGIN
	IF nextval('public.logs') > 1001 THEN RETURN 'inner'; END IF;
	INSERT INTO public.product (id, price) VALUES (1001, 0);
	RETURN 'outer';
END $$;
ALTER TABLE product ALTER title SET DEFAULT logged();
GRANT regress_erp TO regress_crm;
UPDATE ownership.field SET owner = NULL WHERE name = 'id';
SET ROLE regress_crm;
INSERT INTO product (id, title, note) VALUES (100, 'mine', 1) RETURNING title;
RESET ROLE;
SELECT id, title FROM product WHERE id >= 100 ORDER BY id;
SELECT system, role, proposed FROM ownership.conflict WHERE row_key = '{"id": 100}' AND outcome = 'kept';

-- held cursors run what is left of them when their transaction ends
TRUNCATE ownership.conflict;
CREATE FUNCTION writes(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE product SET title = 'w' || i, note = i WHERE id = i; RETURN i; END $$;
SET ROLE regress_crm;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT writes(id) FROM product WHERE id < 6 ORDER BY id;
FETCH 2 FROM held;
SAVEPOINT s;
FETCH 1 FROM held;
ROLLBACK TO s;
COMMIT;
FETCH ALL FROM held;
CLOSE held;
RESET ROLE;
TABLE evidence;

-- the subtransaction of a TRUNCATE may end before the statement that runs it
TRUNCATE ownership.conflict;
CREATE TABLE cut (id int PRIMARY KEY, price int, title text);
SELECT ownership.assign('cut', '{id,title}', 'crm', policy => 'create_only'), ownership.assign('cut', '{price}', 'erp') \g /dev/null
CREATE FUNCTION cut() RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			INSERT INTO cut (id, price) VALUES (i, i);
			SET LOCAL ownership.system = 'crm';
			TRUNCATE cut;
			SET LOCAL ownership.system = 'erp';
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
		RETURN NEXT i;
	END LOOP;
END $$;
GRANT ALL ON cut TO PUBLIC;
SET ownership.system = 'erp';
SELECT cut();
SELECT cut(), cut();
RESET ownership.system;
TABLE evidence;
DROP TABLE cut;

DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, seen;
DROP SEQUENCE logs;
DROP FUNCTION used, grows, fails, is_seen, sometimes, cancel, cancels, logged, writes, cut;
REVOKE ALL ON SCHEMA public FROM regress_owner;
DROP ROLE regress_erp, regress_crm, regress_owner;
