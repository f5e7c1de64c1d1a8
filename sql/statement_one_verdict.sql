-- One statement, one verdict: settings, role and map are those of its
-- beginning, in BEFORE as in AFTER; a row that moves is known for what it is.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA one;
SET search_path = one;
CREATE ROLE regress_one_crm;
CREATE ROLE regress_one_erp;
GRANT regress_one_erp TO regress_one_crm WITH ADMIN OPTION;
ALTER ROLE regress_one_crm NOINHERIT;
GRANT SET ON PARAMETER session_replication_role, ownership.enforcement, ownership.default_policy, ownership.system TO regress_one_crm;
GRANT USAGE, CREATE ON SCHEMA one TO regress_one_crm, regress_one_erp;
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp', role => 'regress_one_erp'), ownership.add_system('crm', 'crm', role => 'regress_one_crm');
END $$;

CREATE TABLE t (id int PRIMARY KEY, price int, cost int, note text);
INSERT INTO t VALUES (1, 10, 1, 'a'), (2, 20, 2, 'b'), (3, 30, 3, 'c');
DO $$ BEGIN
	PERFORM ownership.assign('t', '{id,price}', 'erp'), ownership.assign('t', '{cost}', 'erp', policy => 'keep'), ownership.assign('t', '{note}', 'crm');
END $$;
GRANT ALL ON t TO regress_one_crm, regress_one_erp;
CREATE FUNCTION turn(setting text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF setting = 'role' THEN EXECUTE format('SET LOCAL ROLE %I', value);
	ELSE PERFORM set_config(setting, value, true); END IF;
	RETURN value;
END $$;

-- Switched in RETURNING, after the row was written: each is refused as it is
-- without the switch, with lifting and without.
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int; state text; message text;
BEGIN
	BEGIN
		EXECUTE sql;
		GET DIAGNOSTICS n = ROW_COUNT;
		SELECT format('%s written: %s', n, string_agg(format('%s %s %s %s', id, price, cost, note), ', ' ORDER BY id)) INTO message FROM one.t;
		RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = message;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		RETURN CASE WHEN state = 'ZZZZZ' THEN message ELSE state || ' ' || message END;
	END;
END $$;
CREATE TABLE turns (o int, setting text, value text);
INSERT INTO turns VALUES (1, 'session_replication_role', 'replica'), (2, 'ownership.enforcement', 'off'), (3, 'ownership.enforcement', 'observe'),
	(4, 'ownership.default_policy', 'observe'), (5, 'ownership.system', 'erp'), (6, 'role', 'regress_one_erp');
GRANT SELECT ON turns TO regress_one_crm;
SET ROLE regress_one_crm;
SELECT l AS lift, setting, value, set_config('ownership.lift', l, false) = l AS set,
	try(format('UPDATE one.t SET price = 666 WHERE id = 1 RETURNING one.turn(%L, %L)', setting, value)) AS update,
	try(format('DELETE FROM one.t WHERE id = 1 RETURNING one.turn(%L, %L)', setting, value)) AS delete,
	try(format('INSERT INTO one.t VALUES (4, 666) RETURNING one.turn(%L, %L)', setting, value)) AS insert
FROM turns, unnest('{on,off}'::text[]) l ORDER BY l DESC, o;
-- and the other way round
SELECT l AS lift, set_config('ownership.lift', l, false) = l AS set, set_config('session_replication_role', 'replica', false) AS role,
	try($$UPDATE one.t SET price = 666 WHERE id = 1 RETURNING one.turn('session_replication_role', 'origin')$$) AS update,
	try($$DELETE FROM one.t WHERE id = 1 RETURNING one.turn('session_replication_role', 'origin')$$) AS delete,
	try($$INSERT INTO one.t VALUES (4, 666) RETURNING one.turn('session_replication_role', 'origin')$$) AS insert
FROM unnest('{on,off}'::text[]) l ORDER BY l DESC;
RESET session_replication_role;
RESET ownership.lift;
-- at the first row, for those to come, in a condition
SELECT setting, value, try(format('UPDATE one.t SET cost = 0, note = ''x'' WHERE CASE WHEN id = 1 THEN one.turn(%L, %L) ELSE ''x'' END > ''''', setting, value)) AS update,
	try(format('UPDATE one.t SET price = 666 WHERE id = 1 AND one.turn(%L, %L) > ''''', setting, value)) AS before_the_first
FROM turns ORDER BY o;
RESET ROLE;

-- in a CHECK constraint, a column's default and another trigger; COPY, upserts, MERGE
CREATE FUNCTION turn_and(setting text, value text, result int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM set_config(setting, value, true); RETURN result; END $$;
CREATE TABLE c (id int PRIMARY KEY, price int CHECK (turn_and('session_replication_role', 'replica', price) IS NOT NULL), note text);
CREATE TABLE d (id int PRIMARY KEY, price int, note text, n int DEFAULT turn_and('session_replication_role', 'replica', 7));
CREATE TABLE g (id int PRIMARY KEY, price int, note text, n int GENERATED ALWAYS AS (turn_and('session_replication_role', 'replica', price)) STORED);
CREATE TABLE i (id int PRIMARY KEY, price int, note text);
CREATE INDEX ON i (turn_and('session_replication_role', 'replica', price));
CREATE TABLE b (id int PRIMARY KEY, price int, note text);
CREATE FUNCTION turn_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM set_config(TG_ARGV[0], TG_ARGV[1], true); RETURN coalesce(new, old); END $$;
CREATE TRIGGER zzzzz BEFORE INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION turn_row('session_replication_role', 'replica');
CREATE TRIGGER aaaaa AFTER INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION turn_row('ownership.enforcement', 'off');
SET session_replication_role = replica;
DO $$ DECLARE t text; BEGIN
	FOREACH t IN ARRAY '{c,d,g,i,b}'::text[] LOOP
		EXECUTE format('INSERT INTO %I (id, price, note) VALUES (1, 10, ''a''), (2, 20, ''b'')', t);
		PERFORM ownership.assign(t::regclass, '{id,note}', 'crm'), ownership.assign(t::regclass, '{price}', 'erp');
		EXECUTE format('GRANT ALL ON %I TO regress_one_crm', t);
	END LOOP;
END $$;
RESET session_replication_role;
SET ROLE regress_one_crm;
SELECT t, try(format('UPDATE one.%I SET price = 666', t)) AS update, try(format('UPDATE one.%I SET note = ''x'', price = price + 1 WHERE id = 2', t)) AS both,
	try(format('INSERT INTO one.%I (id, price) VALUES (4, 666)', t)) AS insert,
	try(format('INSERT INTO one.%I (id, note) VALUES (1, ''x'') ON CONFLICT (id) DO UPDATE SET price = 666', t)) AS upsert,
	try(format('MERGE INTO one.%I t USING (VALUES (1), (4)) v(id) ON t.id = v.id WHEN MATCHED THEN UPDATE SET note = ''x'' WHEN NOT MATCHED THEN INSERT (id, price) VALUES (v.id, 666)', t)) AS merge,
	try(format('INSERT INTO one.%I (id, note) VALUES (4, ''x'')', t)) AS own
FROM unnest('{c,d,g,i,b}'::text[]) WITH ORDINALITY u(t, o) ORDER BY o;
BEGIN;
COPY d (id, price) FROM stdin;
4	666
\.
ROLLBACK;
BEGIN;
COPY b (id, price) FROM stdin;
4	666
\.
ROLLBACK;
BEGIN;
COPY d (id, note) FROM stdin;
4	x
\.
SELECT * FROM d ORDER BY id;
ROLLBACK;
RESET ROLE;
SELECT count(*) FROM ownership.conflict WHERE table_schema = 'one' AND outcome <> 'kept';

-- A foreign-key action is judged by the beginning of the statement that set it off.
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, note text);
INSERT INTO parent VALUES (1), (2);
INSERT INTO child VALUES (1, 1, 'a'), (2, 2, 'b');
DO $$ BEGIN
	PERFORM ownership.assign('child', '{id,parent}', 'erp', policy => 'observe');
END $$;
GRANT ALL ON parent, child TO regress_one_crm;
SET ROLE regress_one_crm;
BEGIN;
UPDATE parent SET id = id + 10 WHERE id = 1 RETURNING turn('ownership.enforcement', 'off');
DELETE FROM parent WHERE id = 2;
RESET ownership.enforcement;
DELETE FROM parent WHERE id = 11 RETURNING turn('session_replication_role', 'origin'), turn('role', 'regress_one_erp');
RESET ROLE;
SELECT operation, system, outcome, row_key, stored, proposed FROM ownership.conflict WHERE table_name = 'child' ORDER BY id;
ROLLBACK;

-- SQL with session_replication_role = replica is SQL: an upsert of a row whose
-- key another owns, an UPDATE of which nothing is left, a row that a later
-- trigger changes again.
RESET ROLE;
CREATE TABLE hub (id int PRIMARY KEY, price int, note text);
INSERT INTO hub VALUES (1, 10, 'a');
DO $$ BEGIN
	PERFORM ownership.assign('hub', '{id}', 'erp', policy => 'keep'), ownership.assign('hub', '{price}', 'erp', policy => 'keep'), ownership.assign('hub', '{note}', 'crm');
END $$;
GRANT ALL ON hub TO regress_one_crm;
SET ROLE regress_one_crm;
SET session_replication_role = replica;
INSERT INTO hub VALUES (1, 99, 'n') ON CONFLICT (id) DO UPDATE SET price = excluded.price, note = excluded.note RETURNING *;
UPDATE hub SET price = 98 WHERE id = 1 RETURNING *;
RESET session_replication_role;
RESET ROLE;
SELECT operation, outcome, columns, stored, proposed FROM ownership.conflict WHERE table_name = 'hub' ORDER BY id;
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.price = 1000; RETURN new; END $$;
CREATE TRIGGER zzzzz BEFORE UPDATE ON hub FOR EACH ROW EXECUTE FUNCTION spoil();
ALTER TABLE hub ENABLE ALWAYS TRIGGER zzzzz;
SET ROLE regress_one_crm;
SET session_replication_role = replica;
UPDATE hub SET price = 97, note = 'm' WHERE id = 1;
RESET session_replication_role;
RESET ROLE;

--
-- A row that moves to another partition.
--
CREATE TABLE ord (id int, region text, price int, status text, note text, seen int DEFAULT 0, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE ord_de PARTITION OF ord FOR VALUES IN ('de');
CREATE TABLE ord_us (note text, gone int, status text, price int, region text NOT NULL, seen int DEFAULT 0, id int NOT NULL);
ALTER TABLE ord_us DROP COLUMN gone;
ALTER TABLE ord ATTACH PARTITION ord_us FOR VALUES IN ('us');
CREATE TABLE ord_fr PARTITION OF ord FOR VALUES IN ('fr');
DO $$ BEGIN
	PERFORM ownership.assign('ord', '{id,price}', 'erp'), ownership.assign('ord', '{region,status}', 'crm'), ownership.assign('ord', '{note}', 'erp', policy => 'keep');
	UPDATE ownership.field SET key = false WHERE entity = 'one.ord' AND name = 'region';
END $$;
CREATE FUNCTION fresh() RETURNS void LANGUAGE sql AS $$
	DELETE FROM one.ord;
	INSERT INTO one.ord VALUES (1, 'de', 10, 'open', 'n'), (2, 'de', 20, 'open', 'n'), (3, 'us', 30, 'open', 'n');
$$;
GRANT ALL ON ord, ord_de, ord_us, ord_fr TO regress_one_crm;
SET ownership.enforcement = off;
SELECT fresh();
RESET ownership.enforcement;
-- at the destination a row is suppressed, or amended
CREATE FUNCTION at_destination() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.status = 'gone' THEN RETURN NULL; END IF;
	IF new.status = 'dear' THEN new.price = 1000; END IF;
	IF new.status = 'noted' THEN new.note = 'by a trigger'; END IF;
	IF new.status = 'renamed' THEN new.id = new.id + 100; END IF;
	IF new.status = 'nested' THEN UPDATE one.ord SET region = 'fr', status = 'too' WHERE id = 2; END IF;
	new.seen = new.seen + 1;
	RETURN new;
END $$;
CREATE TRIGGER a BEFORE INSERT ON ord_us FOR EACH ROW EXECUTE FUNCTION at_destination();
SET ROLE regress_one_crm;
CREATE FUNCTION moves(label text, sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int; state text; message text; evidence text;
BEGIN
	BEGIN
		EXECUTE sql;
		GET DIAGNOSTICS n = ROW_COUNT;
		SELECT string_agg(format('%s %s %s %s %s %s', id, region, price, status, note, seen), ', ' ORDER BY id) INTO message FROM one.ord;
		SELECT string_agg(format('%s %s %s', operation, outcome, columns), ', ' ORDER BY id) INTO evidence FROM ownership.conflict WHERE table_name = 'ord';
		RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = format('%s rows: %s; %s', n, message, coalesce(evidence, 'no evidence'));
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		RETURN label || ': ' || CASE WHEN state = 'ZZZZZ' THEN message ELSE state || ' ' || message END;
	END;
END $$;
RESET ROLE;
GRANT SELECT ON ownership.conflict TO regress_one_crm;
SET ROLE regress_one_crm;
\t on
\a
SELECT moves('within its own columns', $$UPDATE one.ord SET region = 'us', status = 's' WHERE id = 1$$);
SELECT moves('with another''s', $$UPDATE one.ord SET region = 'us', price = 0 WHERE id = 1$$);
SELECT moves('with a kept one', $$UPDATE one.ord SET region = 'us', note = 'x' WHERE id = 1$$);
SELECT moves('its key', $$UPDATE one.ord SET region = 'us', id = 9 WHERE id = 1$$);
SELECT moves('suppressed', $$UPDATE one.ord SET region = 'us', status = 'gone' WHERE id = 1$$);
SELECT moves('suppressed, then a new row', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'us', 77, 'z', 'z')$$);
SELECT moves('suppressed, then a new row with its key', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (1, 'us', 77, 'z', 'z')$$);
SELECT moves('suppressed, then a new row elsewhere', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'fr', 77, 'z', 'z')$$);
SELECT moves('suppressed, with an INSERT beside', $$WITH a AS (UPDATE one.ord SET region = 'us', status = 'gone' WHERE id = 1 RETURNING id)
	INSERT INTO one.ord (id, region, price) SELECT 77, 'us', 77 WHERE (SELECT count(*) FROM a) >= 0$$);
SELECT moves('the INSERT first', $$WITH a AS (INSERT INTO one.ord (id, region, price) VALUES (77, 'us', 77) RETURNING id)
	UPDATE one.ord SET region = 'us', status = 'gone' WHERE id = 1 AND (SELECT count(*) FROM a) >= 0$$);
SELECT moves('moved, and an INSERT beside', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 's'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'us', 77, 'z', 'z')$$);
SELECT moves('the trigger changes what was not named', $$UPDATE one.ord SET region = 'us', status = 'dear' WHERE id = 1$$);
SELECT moves('the trigger changes what was named', $$UPDATE one.ord SET region = 'us', status = 'dear', price = price WHERE id = 1$$);
SELECT moves('the trigger changes what is kept', $$UPDATE one.ord SET region = 'us', status = 'noted', note = note WHERE id = 1$$);
SELECT moves('the trigger changes the key', $$UPDATE one.ord SET region = 'us', status = 'renamed' WHERE id = 1$$);
SELECT moves('the trigger moves another row', $$UPDATE one.ord SET region = 'us', status = 'nested' WHERE id = 1$$);
SELECT moves('several', $$UPDATE one.ord SET region = CASE region WHEN 'us' THEN 'de' ELSE 'us' END, status = 's'$$);
SELECT moves('several, some suppressed', $$UPDATE one.ord SET region = 'us', status = CASE id WHEN 1 THEN 'gone' ELSE 's' END WHERE region = 'de'$$);
SELECT moves('two in a CTE', $$WITH a AS (UPDATE one.ord SET region = 'us', status = 's' WHERE id = 1 RETURNING id) UPDATE one.ord SET region = 'fr', status = 'f' WHERE id = 2$$);
RESET ROLE;
-- after the guard, too
CREATE TRIGGER zzzzz BEFORE INSERT ON ord_fr FOR EACH ROW EXECUTE FUNCTION at_destination();
SET ROLE regress_one_crm;
SELECT moves('later: amended', $$UPDATE one.ord SET region = 'fr', status = 's' WHERE id = 1$$);
SELECT moves('later: suppressed, then a new row', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'fr', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'fr', 77, 'z', 'z')$$);
SELECT moves('later: suppressed, then a new row with its key', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'fr', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (1, 'fr', 77, 'z', 'z')$$);
SELECT moves('later: changes what was named', $$UPDATE one.ord SET region = 'fr', status = 'dear', price = price WHERE id = 1$$);
SELECT moves('later: changes what was not named', $$UPDATE one.ord SET region = 'fr', status = 'dear' WHERE id = 1$$);
-- the same in the other role, where it is SQL as well
SET session_replication_role = replica;
SELECT moves('replica: within its own columns', $$UPDATE one.ord SET region = 'us', status = 's' WHERE id = 1$$);
SELECT moves('replica: with another''s', $$UPDATE one.ord SET region = 'us', price = 0 WHERE id = 1$$);
SELECT moves('replica: moved, and an INSERT beside', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 's'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'us', 77, 'z', 'z')$$);
RESET session_replication_role;
RESET ROLE;
-- keyless: all mirrored columns tell the row
ALTER TABLE ord DROP CONSTRAINT ord_pkey;
UPDATE ownership.field SET key = false WHERE entity = 'one.ord';
SET ROLE regress_one_crm;
SELECT moves('keyless: within its own columns', $$UPDATE one.ord SET region = 'us', status = 's' WHERE id = 1$$);
SELECT moves('keyless: suppressed, then a new row', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'us', 77, 'z', 'z')$$);
SELECT moves('keyless: later: suppressed, then a new row', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'fr', status = 'gone'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'fr', 77, 'z', 'z')$$);
RESET ROLE;
\a
\t off
-- a trigger may suppress the deletion, after the guard: nothing moves, nothing slips in
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN old.id = 1 THEN NULL ELSE old END; END $$;
CREATE TRIGGER zzzzz BEFORE DELETE ON ord_de FOR EACH ROW EXECUTE FUNCTION stay();
SET ROLE regress_one_crm;
\t on
\a
SELECT moves('stays', $$UPDATE one.ord SET region = 'us', status = 's' WHERE region = 'de'$$);
SELECT moves('stays, then a new row', $$MERGE INTO one.ord USING (VALUES (1, 'de'), (77, 'us')) v(i, r) ON ord.id = v.i
	WHEN MATCHED THEN UPDATE SET region = 'us', status = 's'
	WHEN NOT MATCHED THEN INSERT (id, region, price, status, note) VALUES (v.i, 'us', 77, 'z', 'z')$$);
\a
\t off
RESET ROLE;

SET search_path = public;
SET client_min_messages = warning;
REVOKE ALL ON PARAMETER session_replication_role, ownership.enforcement, ownership.default_policy, ownership.system FROM regress_one_crm;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA one CASCADE;
DROP ROLE regress_one_crm, regress_one_erp;
