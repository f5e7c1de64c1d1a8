-- Lifting is exact: with ownership.lift on and off, every statement has the same
-- verdict, evidence and result.  And it happens: the guard does not fire where
-- no conflict is possible.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET track_functions = 'all';
-- whoever counts reads knows the writer earlier, and lifts more
SET ownership.track_reads = off;
CREATE SCHEMA lift;
SET search_path = lift, public;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_steward;
CREATE ROLE regress_carrier;
CREATE ROLE regress_stranger;
GRANT ALL ON SCHEMA lift TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA lift GRANT ALL ON TABLES TO PUBLIC;

-- How often one of the guard's functions was called in this transaction.
CREATE FUNCTION calls(name text) RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(pg_stat_get_xact_function_calls(('ownership.guard_' || name)::regproc), 0)
$$;

-- All that can be told of the state: every row of every table here, where it
-- is, and the evidence in the order of its making.
CREATE FUNCTION state() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	rel regclass;
	rows jsonb;
	state jsonb := '{}';
BEGIN
	FOR rel IN SELECT oid FROM pg_class WHERE relnamespace = 'lift'::regnamespace AND relkind IN ('r', 'f') LOOP
		EXECUTE format('SELECT jsonb_agg(to_jsonb(t) ORDER BY t::text COLLATE "C") FROM ONLY %s t', rel) INTO rows;
		state := state || jsonb_build_object(rel::text, coalesce(rows, '[]'));
	END LOOP;
	SELECT jsonb_agg(to_jsonb(c) - '{id,recorded_at}'::text[] ORDER BY id) INTO rows FROM ownership.conflict c;
	RETURN state || jsonb_build_object('conflict', coalesce(rows, '[]'));
END $$;

-- Runs the statements, each with a handler of its own, notes what becomes of
-- them, and takes all of it back.
CREATE FUNCTION run(lift boolean, statements text[], OUT results jsonb, OUT state jsonb, OUT amends bigint, OUT judges bigint)
LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	r record;
	rows jsonb;
	n bigint;
	error jsonb;
	s text; m text; d text; h text; t text; c text;
	sequence regclass;
BEGIN
	results := '[]';
	BEGIN
		FOR sequence IN SELECT oid FROM pg_class WHERE relnamespace = 'lift'::regnamespace AND relkind = 'S' LOOP
			PERFORM setval(sequence, 100, false);
		END LOOP;
		PERFORM setseed(0.5), set_config('ownership.lift', lift::text, true);
		EXECUTE 'DEALLOCATE ALL';
		SET CONSTRAINTS ALL DEFERRED;
		amends := lift.calls('amend');
		judges := lift.calls('judge');
		FOREACH statement IN ARRAY statements || '{SET CONSTRAINTS ALL IMMEDIATE}' LOOP
			rows := NULL;
			n := NULL;
			error := NULL;
			BEGIN
				IF statement ~* '\mreturning\M|^\s*(select|explain|execute|fetch)' THEN
					BEGIN
						rows := '[]';
						FOR r IN EXECUTE statement LOOP
							rows := rows || to_jsonb(r);
						END LOOP;
						n := jsonb_array_length(rows);
					EXCEPTION WHEN invalid_cursor_definition THEN
						EXECUTE statement;
						GET DIAGNOSTICS n = ROW_COUNT;
					END;
				ELSE
					EXECUTE statement;
					GET DIAGNOSTICS n = ROW_COUNT;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL,
					h = PG_EXCEPTION_HINT, t = TABLE_NAME, c = COLUMN_NAME;
				error := jsonb_build_object('sqlstate', s, 'message', m, 'detail', d, 'hint', h, 'table', t, 'column', c);
			END;
			results := results || jsonb_build_object('statement', statement, 'rows', rows, 'n', n, 'error', error);
		END LOOP;
		results := results - CASE WHEN results #> '{-1,error}' = 'null' THEN -1 ELSE 1000 END;
		amends := lift.calls('amend') - amends;
		judges := lift.calls('judge') - judges;
		RESET ROLE;
		RESET ownership.enforcement;
		state := lift.state();
		RAISE EXCEPTION 'take it back' USING ERRCODE = 'LIFT0';
	EXCEPTION WHEN SQLSTATE 'LIFT0' THEN
		NULL;
	END;
END $$;

-- What was compared.
CREATE TEMP TABLE compared (label text, statements int, errors int, evidence int, amends bigint, judges bigint,
	amends_lifted bigint, judges_lifted bigint, diverges boolean);

-- Runs the statements with lifting, without and again with it, from the same
-- state, and compares all three.  The answer: the rows or the SQLSTATE of each
-- statement; the outcomes in the evidence; how many of the guard's calls were
-- left with lifting.
CREATE FUNCTION same(label text, VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	cold record;
	plain record;
	warm record;
	told text;
	before int := (SELECT count(*) FROM ownership.conflict);
	answer text;
	outcomes text;
	evidence int;
	errors int;
BEGIN
	cold := lift.run(true, statements);
	plain := lift.run(false, statements);
	warm := lift.run(true, statements);
	SELECT string_agg(coalesce(r ->> 'n', r #>> '{error,sqlstate}'), ' ' ORDER BY o), count(r #>> '{error,sqlstate}')
	INTO answer, errors FROM jsonb_array_elements(plain.results) WITH ORDINALITY e(r, o);
	SELECT string_agg(n || ' ' || outcome, ', ' ORDER BY outcome), coalesce(sum(n), 0) INTO outcomes, evidence
	FROM (SELECT c ->> 'outcome' AS outcome, count(*) AS n
		FROM jsonb_array_elements(plain.state -> 'conflict') WITH ORDINALITY e(c, o) WHERE o > before GROUP BY 1) o;
	answer := format('%s: %s; %s; amend %s of %s, judge %s of %s', label, answer, coalesce(outcomes, 'no evidence'),
		warm.amends, plain.amends, warm.judges, plain.judges);
	INSERT INTO compared VALUES (label, cardinality(statements), errors, evidence, plain.amends, plain.judges,
		plain.amends - warm.amends, plain.judges - warm.judges,
		(cold.results, cold.state) IS DISTINCT FROM (plain.results, plain.state)
		OR (warm.results, warm.state) IS DISTINCT FROM (plain.results, plain.state)
		OR warm.amends > plain.amends OR warm.judges > plain.judges);
	FOR told IN
		SELECT format(E'\nDIVERGES (%s)\n  off %s\n  on  %s', way, off, lifted) FROM (
			SELECT 'first', plain.results, cold.results WHERE cold.results IS DISTINCT FROM plain.results
			UNION ALL SELECT 'again', plain.results, warm.results WHERE warm.results IS DISTINCT FROM plain.results
			UNION ALL SELECT 'first ' || key, plain.state -> key, cold.state -> key FROM jsonb_object_keys(plain.state) key
			WHERE cold.state -> key IS DISTINCT FROM plain.state -> key
			UNION ALL SELECT 'again ' || key, plain.state -> key, warm.state -> key FROM jsonb_object_keys(plain.state) key
			WHERE warm.state -> key IS DISTINCT FROM plain.state -> key) d(way, off, lifted)
	LOOP
		answer := answer || told;
	END LOOP;
	RETURN answer;
END $$;
CREATE PROCEDURE own(e text, f text, o text, p text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE ownership.field SET owner = o, policy = p WHERE entity = 'lift.' || e AND name = f;
	ASSERT FOUND;
END $$;
-- Autovacuum would make the map be loaded anew in the middle of it.
CREATE PROCEDURE quiet() LANGUAGE plpgsql AS $$
DECLARE rel regclass;
BEGIN
	FOR rel IN SELECT oid FROM pg_class WHERE relnamespace IN ('lift'::regnamespace, 'ownership'::regnamespace) AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', rel);
	END LOOP;
END $$;
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
		IF line ~ '^Trigger' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;
\pset format unaligned
\pset tuples_only on

--
-- One table: a column of the ERP's for each policy, and what is the PIM's.
--
CREATE TABLE product (
	gone int,
	id int PRIMARY KEY,					-- the PIM's
	price numeric(10,2),				-- reject
	cost int DEFAULT 1,					-- keep
	stock int,							-- observe
	brand text,							-- fill
	title text,							-- the PIM's
	weight int,							-- nobody's
	note text,							-- not on the map
	stamp float DEFAULT random(),		-- the ERP's, keep, not constant
	serial int GENERATED BY DEFAULT AS IDENTITY,	-- the ERP's, reject, not constant
	margin numeric GENERATED ALWAYS AS (price - cost) STORED
);
ALTER TABLE product DROP COLUMN gone;
INSERT INTO product (id, price, cost, stock, brand, title, stamp, serial)
VALUES (1, 10, 1, 1, 'Acme', 'one', 1, 1), (2, 20, 2, 2, NULL, 'two', 2, 2), (3, 30, 3, 3, 'Zeta', 'three', 3, 3);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp');
	PERFORM ownership.add_system('pim', 'pim', role => 'regress_pim');
	PERFORM ownership.identify(NULL, role => 'regress_steward', steward => true);
	PERFORM ownership.identify(NULL, role => 'regress_carrier', carrier => true);
	PERFORM ownership.assign('product', '{id,title}', 'pim');
	PERFORM ownership.assign('product', '{price,serial}', 'erp');
	PERFORM ownership.assign('product', '{cost,stamp}', 'erp', policy => 'keep');
	PERFORM ownership.assign('product', '{stock}', 'erp', policy => 'observe');
	PERFORM ownership.assign('product', '{brand}', 'erp', policy => 'fill');
	PERFORM ownership.assign('product', '{weight}', NULL);
END $$;
CALL quiet();
SET ownership.system = 'pim';

-- UPDATE
SELECT same('own columns', $$UPDATE product SET title = 'x', weight = 1, note = 'n'$$);
SELECT same('own columns, by key', $$UPDATE product SET title = 'x' WHERE id = 1 RETURNING *$$);
SELECT same('rejected', $$UPDATE product SET price = 0, title = 'x'$$);
SELECT same('an echo', $$UPDATE product SET price = price, cost = cost, stock = stock, brand = brand, title = 'x'$$);
SELECT same('an echo of what would be rejected', $$UPDATE product SET price = price, title = 'x'$$);
SELECT same('kept', $$UPDATE product SET cost = 0, title = 'x' RETURNING *$$);
SELECT same('observed', $$UPDATE product SET stock = 0, title = 'x' RETURNING *$$);
SELECT same('filled', $$UPDATE product SET brand = 'new' RETURNING *$$);
SELECT same('all at once', $$UPDATE product SET cost = 0, stock = 0, brand = 'new' RETURNING *$$, $$UPDATE product SET cost = 0, stock = 0, brand = 'new', price = 0$$);
SELECT same('the key', 'UPDATE product SET id = id + 10');
SELECT same('the generated column follows', 'UPDATE product SET cost = 9 RETURNING margin', $$UPDATE product SET title = 'x' RETURNING margin$$);
SELECT same('no row', 'UPDATE product SET price = 0 WHERE id = 99', $$UPDATE product SET title = 'x' WHERE id = 99$$);
SELECT same('one after the other', $$UPDATE product SET title = 'x' WHERE id = 1$$, 'UPDATE product SET price = 0 WHERE id = 1',
	'UPDATE product SET cost = 0 WHERE id = 1', $$UPDATE product SET title = 'y' WHERE id = 1$$, 'DELETE FROM product WHERE id = 2', 'INSERT INTO product (id, price) VALUES (4, 4)');
-- INSERT
SELECT same('INSERT of own columns', $$INSERT INTO product (id, title) VALUES (4, 'four') RETURNING *$$);
SELECT same('of own columns by SELECT', 'INSERT INTO product (id, title) SELECT id + 10, title FROM product');
SELECT same('of foreign ones', 'INSERT INTO product (id, price) VALUES (4, 4)', 'INSERT INTO product (id, cost) VALUES (4, 4)',
	'INSERT INTO product (id, stock) VALUES (5, 4)', $$INSERT INTO product (id, brand) VALUES (6, 'new') RETURNING *$$);
SELECT same('of NULL and constant defaults', 'INSERT INTO product (id, price, cost, stock, brand) VALUES (4, NULL, DEFAULT, NULL, NULL), (5, NULL, 1, NULL, NULL)');
SELECT same('of what is computed', 'INSERT INTO product (id, price, cost) SELECT 10 + id, NULLIF(price, price), cost FROM product');
SELECT same('DEFAULT VALUES', 'ALTER TABLE product ALTER id SET DEFAULT 4', 'INSERT INTO product DEFAULT VALUES RETURNING id, cost, serial');
SELECT same('defaults that are not constant', 'INSERT INTO product (id, stamp) VALUES (4, DEFAULT)', 'INSERT INTO product (id, stamp) VALUES (5, 5)',
	'INSERT INTO product (id, serial) VALUES (6, DEFAULT)', 'INSERT INTO product (id, serial) VALUES (7, 7)', 'INSERT INTO product (id) OVERRIDING USER VALUE VALUES (8)');
SELECT same('another default', 'ALTER TABLE product ALTER cost SET DEFAULT 5', 'INSERT INTO product (id) VALUES (4)', 'INSERT INTO product (id, cost) VALUES (5, 5)',
	'INSERT INTO product (id, cost) VALUES (6, 1)', 'ALTER TABLE product ALTER cost SET DEFAULT random() * 0', 'INSERT INTO product (id) VALUES (7)', 'INSERT INTO product (id, cost) VALUES (8, 0)');
SELECT same('the key of another', 'SET LOCAL ownership.system = erp', 'INSERT INTO product (id, price) VALUES (4, 4)', 'INSERT INTO product (price) VALUES (4)', 'UPDATE product SET price = 5',
	'ALTER TABLE product ALTER id SET DEFAULT 4', 'INSERT INTO product (price) VALUES (4)', 'INSERT INTO product DEFAULT VALUES');
SELECT same('the key of another, kept', $$CALL own('product', 'id', 'pim', 'keep')$$, 'SET LOCAL ownership.system = erp', 'INSERT INTO product (id, price) VALUES (4, 4)', 'DELETE FROM product');
-- DELETE
SELECT same('DELETE', 'DELETE FROM product WHERE id = 1 RETURNING *', 'DELETE FROM product', 'SET LOCAL ownership.system = erp', 'DELETE FROM product');
SELECT same('DELETE by another', 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 1', 'DELETE FROM product WHERE id = 99');
SELECT same('DELETE of an observed key', $$CALL own('product', 'id', 'pim', 'observe')$$, 'SET LOCAL ownership.system = erp', 'DELETE FROM product');
SELECT same('an unowned key', $$CALL own('product', 'id', NULL)$$, 'SET LOCAL ownership.system = erp', 'INSERT INTO product (id, price) VALUES (4, 4)', 'DELETE FROM product WHERE id = 4', $$INSERT INTO product (id, title) VALUES (5, 'x')$$);
SELECT same('no key', $$UPDATE ownership.field SET key = false WHERE entity = 'lift.product'$$, 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 1', 'INSERT INTO product (price) VALUES (4)', 'INSERT INTO product (id, price) VALUES (1, 4)');
-- ON CONFLICT
SELECT same('an upsert of own columns', $$INSERT INTO product (id, title) VALUES (1, 'x'), (4, 'y') ON CONFLICT (id) DO UPDATE SET title = excluded.title RETURNING *$$);
SELECT same('that resends', $$INSERT INTO product (id, price, cost, title) VALUES (1, 10, 1, 'x') ON CONFLICT (id) DO UPDATE SET price = excluded.price, cost = excluded.cost, title = excluded.title$$);
SELECT same('that inserts what is foreign', $$INSERT INTO product (id, price) VALUES (4, 4) ON CONFLICT (id) DO UPDATE SET title = 'x'$$, $$INSERT INTO product (id, cost) VALUES (5, 4) ON CONFLICT (id) DO UPDATE SET title = 'x'$$);
SELECT same('that updates what is foreign', $$INSERT INTO product (id, title) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET price = 0$$, $$INSERT INTO product (id, title) VALUES (1, 'x'), (2, 'y') ON CONFLICT (id) DO UPDATE SET cost = 0, title = excluded.title RETURNING *$$);
SELECT same('that names the foreign only in INSERT', $$INSERT INTO product (id, price, cost, title) VALUES (1, 0, 0, 'x'), (4, NULL, 0, 'y') ON CONFLICT (id) DO UPDATE SET title = excluded.title$$);
SELECT same('DO NOTHING', $$INSERT INTO product (id, price, title) VALUES (1, 0, 'x') ON CONFLICT DO NOTHING$$, $$INSERT INTO product (id, title) VALUES (1, 'x'), (4, 'y') ON CONFLICT DO NOTHING$$, 'INSERT INTO product (id, price) VALUES (5, 5) ON CONFLICT DO NOTHING');
SELECT same('with the key of another', 'SET LOCAL ownership.system = erp', 'INSERT INTO product (id, price) VALUES (1, 11) ON CONFLICT (id) DO UPDATE SET price = excluded.price', 'INSERT INTO product (id, price) VALUES (4, 11) ON CONFLICT (id) DO UPDATE SET price = excluded.price');
-- MERGE
SELECT same('MERGE within own columns', $$MERGE INTO product p USING (VALUES (1, 'x'), (4, 'y')) v(id, title) ON p.id = v.id WHEN MATCHED THEN UPDATE SET title = v.title WHEN NOT MATCHED THEN INSERT (id, title) VALUES (v.id, v.title)$$);
SELECT same('MERGE that deletes', $$MERGE INTO product p USING (VALUES (1), (2)) v(id) ON p.id = v.id WHEN MATCHED AND p.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET title = 'x'$$);
SELECT same('MERGE that deletes rows of another', 'SET LOCAL ownership.system = erp', 'MERGE INTO product p USING (VALUES (1), (2)) v(id) ON p.id = v.id WHEN MATCHED AND p.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET price = 5');
SELECT same('MERGE, one action foreign', $$MERGE INTO product p USING (VALUES (1), (2)) v(id) ON p.id = v.id WHEN MATCHED AND p.id = 1 THEN UPDATE SET title = 'x' WHEN MATCHED THEN UPDATE SET price = 0$$);
SELECT same('MERGE, one action that never comes', $$MERGE INTO product p USING (VALUES (1), (2)) v(id) ON p.id = v.id WHEN MATCHED AND p.id = 9 THEN UPDATE SET price = 0 WHEN MATCHED THEN UPDATE SET title = 'x' WHEN NOT MATCHED THEN INSERT (id, price) VALUES (9, 9)$$);
SELECT same('MERGE, kept', $$MERGE INTO product p USING (VALUES (1), (4)) v(id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET cost = 0, title = 'x' WHEN NOT MATCHED THEN INSERT (id, cost) VALUES (v.id, 5)$$);
SELECT same('MERGE, rejected on INSERT', $$MERGE INTO product p USING (VALUES (1), (4)) v(id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET title = 'x' WHEN NOT MATCHED THEN INSERT (id, price) VALUES (v.id, 5)$$);
SELECT same('MERGE that does nothing', 'MERGE INTO product p USING (VALUES (1), (4)) v(id) ON p.id = v.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING');
-- COPY
SELECT same('COPY of own columns', $$COPY product (id, title) FROM PROGRAM 'printf "4\tfour\n5\tfive\n"'$$);
SELECT same('COPY of foreign ones', $$COPY product (id, price) FROM PROGRAM 'printf "4\t4\n"'$$, $$COPY product (id, cost) FROM PROGRAM 'printf "5\t5\n6\t1\n"'$$, $$COPY product (id, stamp) FROM PROGRAM 'printf "7\t7\n"'$$, $$COPY product (id, serial) FROM PROGRAM 'printf "8\t8\n"'$$);
SELECT same('COPY of all', $$COPY product FROM PROGRAM 'printf "4,,1,,,four,,,,5\n" ' (FORMAT csv)$$, $$COPY product (id, price, cost, stock, brand, title) FROM PROGRAM 'printf "4,,1,,,four\n" ' (FORMAT csv)$$);
SELECT same('COPY by another', 'SET LOCAL ownership.system = erp', $$COPY product (id, price) FROM PROGRAM 'printf "4\t4\n"'$$);
SELECT same('COPY of many rows', $$COPY product (id, title) FROM PROGRAM 'seq 1000 1 3500 | sed "s/$/\tx/"'$$, $$COPY product (id, cost) FROM PROGRAM 'seq 5000 1 6200 | sed "s/$/\t1/; 700s/1$/2/"'$$);

--
-- That the guard is lifted, as EXPLAIN ANALYZE tells: only triggers that fired
-- are in it.
--
BEGIN;
SELECT plan($$UPDATE product SET title = 'x'$$);						-- none
SELECT plan($$UPDATE product SET price = price, title = 'x'$$);			-- nothing to amend
SELECT plan($$UPDATE product SET stock = stock, title = 'x'$$);
SELECT plan($$UPDATE product SET cost = cost, title = 'x'$$);			-- nothing to judge
SELECT plan($$INSERT INTO product (id, title) VALUES (4, 'x')$$);
SELECT plan('INSERT INTO product (id, price) VALUES (5, NULL)');
SELECT plan('DELETE FROM product WHERE id = 4');
SET LOCAL ownership.lift = off;
SELECT plan($$UPDATE product SET title = 'x'$$);
SELECT plan($$INSERT INTO product (id, title) VALUES (4, 'x')$$);
SELECT plan('DELETE FROM product WHERE id = 4');
ROLLBACK;

-- Nor is each row locked first, which would be a record of WAL for it.
CREATE FUNCTION wal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, WAL, FORMAT json) ' || statement INTO plan;
	RETURN plan #>> '{0,Plan,WAL Records}';
END $$;
CREATE TABLE bare AS SELECT * FROM product;
BEGIN;
UPDATE product SET note = 'x';
SELECT wal($$UPDATE bare SET title = 'x'$$), wal($$UPDATE product SET title = 'x'$$);
SET LOCAL ownership.lift = off;
SELECT wal($$UPDATE bare SET title = 'y'$$), wal($$UPDATE product SET title = 'y'$$);
ROLLBACK;
DROP TABLE bare;

--
-- Other triggers on the table.
--
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		RETURN CASE WHEN old.note = 'stays' THEN NULL ELSE old END;
	END IF;
	CASE new.note
		WHEN 'price' THEN new.price := 99;
		WHEN 'cost' THEN new.cost := 99;
		WHEN 'title' THEN new.title := 'meddled';
		WHEN 'back' THEN new.price := old.price; new.cost := old.cost;
		WHEN 'id' THEN new.id := new.id + 100;
		WHEN 'stays' THEN RETURN NULL;
		ELSE NULL;
	END CASE;
	RETURN new;
END $$;
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() > 1 THEN RETURN new; END IF;
	CASE new.note
		WHEN 'own' THEN UPDATE product SET title = 'passed on' WHERE id = 3;
		WHEN 'price' THEN UPDATE product SET price = 99 WHERE id = 3;
		WHEN 'cost' THEN UPDATE product SET cost = 99 WHERE id = 3;
		WHEN 'insert' THEN INSERT INTO product (id, price) VALUES (99, 99);
		WHEN 'caught' THEN BEGIN UPDATE product SET price = 99 WHERE id = 3; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		ELSE NULL;
	END CASE;
	RETURN new;
END $$;
CREATE FUNCTION also(name text, timing text, func text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN EXECUTE format('CREATE TRIGGER %I %s ON lift.product FOR EACH ROW EXECUTE FUNCTION lift.%I()', name, timing, func); END $$;
SELECT same('BEFORE UPDATE ' || t || ' ' || n, format($$SELECT also(%L, 'BEFORE UPDATE', 'meddle')$$, t),
	format($$UPDATE product SET title = 'x', note = %L$$, n), format($$UPDATE product SET title = 'x', price = price, cost = cost, note = %L$$, n),
	format('UPDATE product SET price = 0, note = %L', n), format('UPDATE product SET cost = 0, note = %L', n))
FROM unnest('{a,zzzzz}'::text[]) WITH ORDINALITY t(t, o), unnest('{price,cost,title,back,id,stays}'::text[]) WITH ORDINALITY n(n, p) ORDER BY o, p;
SELECT same('BEFORE INSERT ' || t || ' ' || n, format($$SELECT also(%L, 'BEFORE INSERT', 'meddle')$$, t),
	format($$INSERT INTO product (id, title, note) VALUES (4, 'x', %L) RETURNING cost$$, n), format('INSERT INTO product (id, price, note) VALUES (5, 0, %L)', n),
	format('INSERT INTO product (id, cost, note) VALUES (6, 0, %L) RETURNING cost', n),
	format($$INSERT INTO product (id, title, note) VALUES (1, 'x', %L) ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title$$, n),
	format($$COPY product (id, title, note) FROM PROGRAM 'printf "7,x,%s\n8,x,\n"' (FORMAT csv)$$, n))
FROM unnest('{a,zzzzz}'::text[]) WITH ORDINALITY t(t, o), unnest('{price,cost,title,id,stays}'::text[]) WITH ORDINALITY n(n, p) ORDER BY o, p;
SELECT same('BEFORE DELETE ' || t, format($$SELECT also(%L, 'BEFORE DELETE', 'meddle')$$, t), $$UPDATE product SET note = 'stays' WHERE id = 1$$,
	'DELETE FROM product WHERE id < 3', 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 1', 'DELETE FROM product WHERE id = 3')
FROM unnest('{a,zzzzz}'::text[]) WITH ORDINALITY t(t, o) ORDER BY o;
SELECT same(w || ' UPDATE ' || t || ' that writes: ' || n, format($$SELECT also(%L, %L, 'pass_on')$$, t, w || ' UPDATE'), format($$UPDATE product SET title = 'x', note = %L WHERE id < 3$$, n))
FROM unnest('{BEFORE,AFTER}'::text[]) WITH ORDINALITY w(w, q), unnest('{a,zzzzz}'::text[]) WITH ORDINALITY t(t, o),
	unnest('{own,price,cost,insert,caught}'::text[]) WITH ORDINALITY n(n, p) ORDER BY q, o, p;
-- of columns only, with a condition, of a statement, with transition tables
SELECT same('conditional triggers', $$CREATE TRIGGER a BEFORE UPDATE OF note ON product FOR EACH ROW WHEN (new.note = 'price') EXECUTE FUNCTION meddle()$$,
	$$UPDATE product SET title = 'x'$$, $$UPDATE product SET title = 'x', note = 'price'$$, $$UPDATE product SET price = price, note = 'price'$$, $$INSERT INTO product (id, note) VALUES (4, 'price')$$);
CREATE TABLE log (n int, was text, is_now text);
CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log SELECT id, o.title, n.title FROM old o JOIN new n USING (id);
	INSERT INTO log SELECT count(*), 'prices', max(price) FROM new;
	RETURN NULL;
END $$;
SELECT same('transition tables', 'CREATE TRIGGER a AFTER UPDATE ON product REFERENCING OLD TABLE old NEW TABLE new FOR EACH STATEMENT EXECUTE FUNCTION log()',
	$$UPDATE product SET title = 'x' || id$$, $$UPDATE product SET cost = 0, title = 'y'$$, 'UPDATE product SET price = 0', $$INSERT INTO product (id, title) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET title = 'z'$$);
-- a trigger that creates others while the table is copied to
CREATE FUNCTION breed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'a1') THEN
		PERFORM also('a' || i, 'AFTER DELETE', 'meddle') FROM generate_series(1, 30) i;
	END IF;
	RETURN new;
END $$;
SELECT same('triggers that come', $$SELECT also('b', 'BEFORE INSERT', 'breed')$$, 'COPY product (id, title) FROM PROGRAM ''seq 10 15 | sed "s/$/\tx/"''', 'COPY product (id, title, price) FROM PROGRAM ''seq 20 25 | sed "s/$/\tx\t1/"''', $$INSERT INTO product (id, title) VALUES (4, 'x')$$);
-- the guard's own, by hand
SELECT same('triggers that are off', 'ALTER TABLE product DISABLE TRIGGER zzzz_ownership_judge', 'UPDATE product SET price = 0', 'UPDATE product SET cost = 0', 'ALTER TABLE product DISABLE TRIGGER zzzz_ownership_amend', 'UPDATE product SET cost = 0');

--
-- Several writes of the table in one statement.
--
SELECT same('CTE: own, then foreign', $$WITH a AS (UPDATE product SET title = 'x' WHERE id = 1 RETURNING id) UPDATE product SET price = 0 FROM a WHERE product.id = a.id + 1$$);
SELECT same('CTE: foreign, then own', $$WITH a AS (UPDATE product SET price = 0 WHERE id = 1 RETURNING id) UPDATE product SET title = 'x' FROM a WHERE product.id = a.id + 1$$);
SELECT same('CTE: observed and own', $$WITH a AS (UPDATE product SET stock = 0 WHERE id = 1 RETURNING id) UPDATE product SET title = 'x' FROM a WHERE product.id = a.id + 1$$,
	$$WITH a AS (UPDATE product SET title = 'y' WHERE id = 1 RETURNING id) UPDATE product SET stock = 9 FROM a WHERE product.id = a.id + 1$$);
SELECT same('CTE: kept and own', $$WITH a AS (UPDATE product SET cost = 0 WHERE id = 1 RETURNING id, cost), b AS (UPDATE product SET title = 'x' WHERE id = 2 RETURNING id, cost) SELECT * FROM a UNION ALL SELECT * FROM b$$);
SELECT same('CTE: all kinds', $$WITH a AS (DELETE FROM product WHERE id = 1 RETURNING id), b AS (INSERT INTO product (id, title) VALUES (4, 'x') RETURNING id) UPDATE product SET title = 'x' WHERE id = 2$$,
	$$WITH a AS (INSERT INTO product (id, price) VALUES (5, 5)) UPDATE product SET title = 'y' WHERE id = 2$$, $$WITH a AS (INSERT INTO product (id, title) VALUES (5, 'x')) UPDATE product SET price = 0 WHERE id = 2$$);
SELECT same('CTE: INSERT twice', $$WITH a AS (INSERT INTO product (id, title) VALUES (5, 'x') RETURNING id) INSERT INTO product (id, cost) SELECT id + 1, 0 FROM a$$,
	$$WITH a AS (INSERT INTO product (id, cost) VALUES (7, 0) RETURNING id) INSERT INTO product (id, title) SELECT id + 1, 'x' FROM a$$);
SELECT same('CTE: DELETE by another', 'SET LOCAL ownership.system = erp', 'WITH a AS (UPDATE product SET price = 0 WHERE id = 1) DELETE FROM product WHERE id = 2', 'WITH a AS (DELETE FROM product WHERE id = 2) UPDATE product SET price = 0 WHERE id = 1');
-- functions that write
CREATE FUNCTION write(column_name text, n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE lift.product SET %I = ''88'' WHERE id = %s', column_name, n);
	RETURN n;
END $$;
CREATE FUNCTION write_caught(column_name text, n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RETURN lift.write(column_name, n); EXCEPTION WHEN insufficient_privilege THEN RETURN -1; END $$;
SELECT same('a function writes: ' || f || ' ' || c, format($$UPDATE product SET title = 'x' || lift.%s(%L, 3) WHERE id < 3$$, f, c), format($$INSERT INTO product (id, title) SELECT 10 + id, 'x' || lift.%s(%L, 3) FROM product$$, f, c),
	format('SELECT lift.%s(%L, id) FROM product ORDER BY id', f, c), format($$UPDATE product SET price = price, title = 'x' || lift.%s(%L, 3) WHERE id < 3$$, f, c),
	format($$COPY product (id, title) FROM PROGRAM 'printf "4,x\n"' (FORMAT csv) WHERE lift.%s(%L, 2) > -2$$, f, c))
FROM unnest('{write,write_caught}'::text[]) WITH ORDINALITY f(f, o), unnest('{title,price,cost}'::text[]) WITH ORDINALITY c(c, p) ORDER BY o, p;
-- one row twice
SELECT same('a row twice', $$UPDATE product p SET title = v.title FROM (VALUES (1, 'x'), (1, 'y')) v(id, title) WHERE p.id = v.id$$, $$DELETE FROM product p USING (VALUES (3), (3)) v(id) WHERE p.id = v.id$$, $$INSERT INTO product (id, title) VALUES (1, 'x'), (1, 'y') ON CONFLICT (id) DO UPDATE SET title = excluded.title$$,
	$$MERGE INTO product p USING (VALUES (1, 'x'), (1, 'y')) v(id, title) ON p.id = v.id WHEN MATCHED THEN UPDATE SET title = v.title$$, 'MERGE INTO product p USING (VALUES (1), (1)) v(id) ON p.id = v.id WHEN MATCHED THEN DELETE',
	$$WITH a AS (UPDATE product SET title = 'x' WHERE id = 1 RETURNING id) UPDATE product SET title = 'y' FROM a WHERE product.id = a.id$$, $$UPDATE product SET title = 'x' || write('title', id)$$, $$UPDATE product SET title = 'x' || write('title', 4 - id)$$);
SELECT same('an error in the middle', $do$DO $$ BEGIN
	UPDATE product SET title = 'x' WHERE id = 1;
	BEGIN UPDATE product SET title = 'y', stock = 1 / (id - 2); EXCEPTION WHEN division_by_zero THEN NULL; END;
	UPDATE product SET title = 'z' WHERE id = 2;
	BEGIN UPDATE product SET price = 0; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	UPDATE product SET cost = 0, title = title || '!';
	BEGIN UPDATE product SET title = (1 / (id - 2))::text; EXCEPTION WHEN division_by_zero THEN NULL; END;
	INSERT INTO product (id, title) VALUES (4, 'four');
	BEGIN UPDATE product SET price = 0 WHERE id = 4; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
END $$$do$, 'UPDATE product SET price = 0');

--
-- Who writes, and settings, change while the statement runs: it is judged by
-- its beginning.  When it edits the map, the rest of it is judged by that.
--
CREATE FUNCTION become(what text, x text DEFAULT 'x') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CASE split_part(what, ' ', 1)
		WHEN 'system' THEN PERFORM set_config('ownership.system', split_part(what, ' ', 2), true);
		WHEN 'enforcement' THEN PERFORM set_config('ownership.enforcement', split_part(what, ' ', 2), true);
		WHEN 'policy' THEN PERFORM set_config('ownership.default_policy', split_part(what, ' ', 2), true);
		WHEN 'replication' THEN PERFORM set_config('session_replication_role', split_part(what, ' ', 2), true);
		WHEN 'title' THEN CALL lift.own('product', 'title', split_part(what, ' ', 2), NULLIF(split_part(what, ' ', 3), ''));
		WHEN 'rows' THEN PERFORM ownership.assign_rows('lift.product', '{title}', split_part(what, ' ', 2), 'id = 2');
	END CASE;
	RETURN x;
END $$;
CREATE FUNCTION become_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF coalesce(new.id, old.id) = 2 THEN PERFORM lift.become(TG_ARGV[0]); END IF;
	RETURN coalesce(new, old);
END $$;
CREATE VIEW changes AS
	SELECT o, what, o < 8 AS alike FROM unnest('{system erp,system pim,system none,enforcement off,enforcement observe,replication replica,title erp,title erp keep,title erp observe,rows erp}'::text[]) WITH ORDINALITY w(what, o);
SELECT same('before the first row: ' || what, format($$UPDATE product SET title = 'y' WHERE (SELECT become(%L)) = 'x'$$, what))
FROM changes ORDER BY o;
SELECT same('at the second row: ' || what, format($$UPDATE product SET title = CASE WHEN id = 2 THEN become(%L) ELSE 'y' END$$, what))
FROM changes WHERE alike ORDER BY o;
SELECT same('at the last row: ' || what, format($$UPDATE product SET title = CASE WHEN id = 3 THEN become(%L) ELSE 'y' END$$, what))
FROM changes WHERE alike ORDER BY o;
SELECT same('in RETURNING: ' || what, format($$UPDATE product SET title = 'y' RETURNING CASE WHEN id = 2 THEN become(%L) END$$, what))
FROM changes WHERE alike ORDER BY o;
SELECT same('in trigger ' || w || ': ' || what, format('CREATE TRIGGER %s UPDATE ON product FOR EACH ROW EXECUTE FUNCTION become_later(%L)', w, what), $$UPDATE product SET title = 'y'$$)
FROM changes, unnest('{a BEFORE,zzzzz BEFORE}'::text[]) WITH ORDINALITY w(w, q) WHERE alike ORDER BY q, o;
SELECT same('INSERT, at the second row: ' || what, format($$INSERT INTO product (id, title) SELECT id + 10, CASE WHEN id = 2 THEN become(%L) ELSE 'y' END FROM product$$, what))
FROM changes WHERE alike ORDER BY o;
SELECT same('DELETE, at the second row: ' || what, format($$DELETE FROM product WHERE CASE WHEN id = 2 THEN become(%L) ELSE 'y' END > ''$$, what))
FROM changes ORDER BY o;
-- Rows that were written off the guard stay written: AFTER would still judge
-- them by what holds when the statement ends.
CREATE FUNCTION lifted(label text, VARIADIC statements text[]) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s: %s; %s; %s', label, (SELECT string_agg(coalesce(r ->> 'n', r #>> '{error,sqlstate}'), ' ' ORDER BY o) FROM jsonb_array_elements(results) WITH ORDINALITY e(r, o)),
		(SELECT string_agg(p ->> 'title', ' ' ORDER BY p -> 'id') FROM jsonb_array_elements(state -> 'product') p),
		coalesce((SELECT string_agg(format('%s %s', c -> 'row_key', c ->> 'outcome'), ', ' ORDER BY o) FROM jsonb_array_elements(state -> 'conflict') WITH ORDINALITY e(c, o)), 'no evidence'))
	FROM lift.run(true, statements)
$$;
SELECT lifted('at row ' || n || ': ' || what, format($$UPDATE product SET title = CASE WHEN id = %s THEN become(%L) ELSE 'y' END$$, n, what))
FROM changes, generate_series(1, 3) n WHERE NOT alike ORDER BY o, n;
SELECT lifted('INSERT, at the second row: ' || what, format($$INSERT INTO product (id, title) SELECT id + 10, CASE WHEN id = 2 THEN become(%L) ELSE 'y' END FROM product$$, what))
FROM changes WHERE NOT alike ORDER BY o;
SELECT lifted('in trigger ' || w || ': ' || what, format('CREATE TRIGGER %s UPDATE ON product FOR EACH ROW EXECUTE FUNCTION become_later(%L)', w, what), $$UPDATE product SET title = 'y'$$, 'UPDATE product SET cost = 0')
FROM changes, unnest('{a AFTER,zzzzz AFTER}'::text[]) WITH ORDINALITY w(w, q) ORDER BY q, o;

--
-- Views and rules.
--
CREATE VIEW card AS SELECT id, title AS name, price AS amount, cost AS expense, note FROM product WHERE id < 50;
CREATE VIEW cards AS SELECT name, amount, expense, id FROM card;
CREATE VIEW label AS SELECT id, title || ' ' || coalesce(price, 0) AS line FROM product;
CREATE VIEW tag AS SELECT id, title FROM product;
CREATE FUNCTION label_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE product SET title = split_part(new.line, ' ', 1), price = split_part(new.line, ' ', 2)::numeric WHERE id = new.id;
	RETURN new;
END $$;
CREATE TRIGGER write INSTEAD OF UPDATE ON label FOR EACH ROW EXECUTE FUNCTION label_write();
CREATE RULE tag_update AS ON UPDATE TO tag DO INSTEAD UPDATE product SET title = new.title, price = 0 WHERE id = old.id AND new.title = 'both';
CREATE RULE tag_also AS ON UPDATE TO tag DO ALSO UPDATE product SET title = new.title WHERE id = old.id;
CREATE RULE tag_insert AS ON INSERT TO tag DO INSTEAD INSERT INTO product (id, title, cost) VALUES (new.id, new.title, 1);
CREATE RULE tag_delete AS ON DELETE TO tag DO INSTEAD UPDATE product SET cost = 0 WHERE id = old.id;
SELECT same('UPDATE of a view', $$UPDATE card SET name = 'x'$$, 'UPDATE card SET amount = 0', $$UPDATE cards SET expense = 0, name = 'y' RETURNING *$$, 'UPDATE cards SET amount = amount');
SELECT same('INSERT into a view', $$INSERT INTO card (id, name) VALUES (4, 'x')$$, 'INSERT INTO cards (id, amount) VALUES (5, 5)', 'INSERT INTO cards (id, expense) VALUES (6, 6) RETURNING *', 'INSERT INTO card (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET amount = 0', 'DELETE FROM cards WHERE id = 2');
SELECT same('defaults of a view', 'ALTER VIEW card ALTER amount SET DEFAULT 7', $$INSERT INTO card (id, name) VALUES (4, 'x')$$, $$INSERT INTO cards (id, name) VALUES (5, 'x')$$,
	'ALTER VIEW card ALTER amount DROP DEFAULT', 'ALTER VIEW card ALTER expense SET DEFAULT 7', $$INSERT INTO card (id, name) VALUES (6, 'x') RETURNING *$$, 'ALTER VIEW cards ALTER expense SET DEFAULT 8',
	$$INSERT INTO cards (id, name) VALUES (7, 'x') RETURNING *$$, 'INSERT INTO cards (id, expense) VALUES (8, DEFAULT) RETURNING *', 'INSERT INTO card (id) SELECT 10 + id FROM product WHERE id < 3');
SELECT same('defaults of a view, in a CTE', 'ALTER VIEW card ALTER expense SET DEFAULT 7', $$WITH a AS (INSERT INTO card (id) VALUES (4)) UPDATE product SET title = 'x' WHERE id = 1$$, 'PREPARE p AS INSERT INTO card (id) VALUES ($1)', 'EXECUTE p(5)', 'SET plan_cache_mode = force_generic_plan', 'EXECUTE p(6)');
SELECT same('INSTEAD OF triggers', $$UPDATE label SET line = 'x 10' WHERE id = 1$$, $$UPDATE label SET line = 'x 11' WHERE id = 1$$);
SELECT same('rules', $$UPDATE tag SET title = 'x'$$, $$UPDATE tag SET title = 'both'$$, $$INSERT INTO tag VALUES (4, 'x')$$, 'DELETE FROM tag WHERE id = 1');
SELECT same('a rule on the table', 'CREATE TABLE shadow (id int PRIMARY KEY, price int, title text)', $$SELECT ownership.assign('lift.shadow', '{id,title}', 'pim'), ownership.assign('lift.shadow', '{price}', 'erp')$$,
	'CREATE RULE shadow AS ON INSERT TO product DO ALSO INSERT INTO shadow (id, price, title) VALUES (new.id, new.price, new.title)',
	'CREATE RULE shadow_update AS ON UPDATE TO product DO ALSO UPDATE shadow SET price = new.price, title = new.title WHERE id = new.id',
	$$INSERT INTO product (id, title) VALUES (4, 'x')$$, $$UPDATE product SET title = 'y' WHERE id = 4$$, $$INSERT INTO product (id, price) VALUES (5, 5)$$, 'TABLE shadow');

--
-- Inheritance: a parent's statement reaches the children.
--
CREATE TABLE base (id int, price int, title text);
CREATE TABLE child (gone int, extra int, title text, price int, id int);
ALTER TABLE child DROP COLUMN gone;
ALTER TABLE child INHERIT base;
CREATE TABLE grandchild () INHERITS (child);
INSERT INTO base VALUES (1, 1, 'a');
INSERT INTO child VALUES (2, 'b', 2, 2);
INSERT INTO grandchild VALUES (3, 'c', 3, 3);
DO $$ BEGIN
	PERFORM ownership.assign('base', '{id,title}', 'pim');
	PERFORM ownership.assign('base', '{price}', 'erp', policy => 'keep');
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'lift.base';
END $$;
CALL quiet();
SELECT same('children', $$UPDATE base SET title = 'x'$$, 'UPDATE base SET price = 0', $$UPDATE child SET title = 'y', extra = 1$$, $$UPDATE ONLY base SET title = 'z', price = 0$$, $$INSERT INTO grandchild (id, title) VALUES (4, 'x')$$,
	'INSERT INTO child (id, price) VALUES (5, 5)', $$WITH a AS (UPDATE child SET title = 'c' RETURNING id) UPDATE base SET price = 9 FROM a WHERE base.id = a.id + 10$$, 'DELETE FROM base WHERE id > 1');
SELECT same('children with a map of their own', $$SELECT ownership.assign('lift.grandchild', '{title}', 'erp', policy => 'observe')$$, $$UPDATE base SET title = 'x'$$, $$UPDATE child SET title = 'y'$$, $$INSERT INTO grandchild (id, title) VALUES (4, 'x')$$,
	'SET LOCAL ownership.system = erp', $$UPDATE grandchild SET title = 'z'$$, $$UPDATE base SET title = 'z'$$);
SELECT same('a late child', 'CREATE TABLE late () INHERITS (base)', $$INSERT INTO late VALUES (5, 5, 'e')$$, $$UPDATE base SET title = 'x', price = 6$$, $$UPDATE base SET title = 'x'$$);

--
-- Partitions: three levels with different keys, columns in another order and
-- columns that were dropped.
--
CREATE TABLE stock (
	gone int,
	id int,				-- the ERP's
	region text,		-- the WMS's
	site int,			-- the WMS's
	qty int,			-- the WMS's
	price int,			-- the ERP's
	label text,			-- the PIM's
	PRIMARY KEY (id, region, site)
) PARTITION BY LIST (region);
ALTER TABLE stock DROP COLUMN gone;
CREATE TABLE stock_eu (label text, site int NOT NULL, price int, region text NOT NULL, old text, qty int, id int NOT NULL) PARTITION BY RANGE (site);
ALTER TABLE stock_eu DROP COLUMN old;
CREATE TABLE stock_eu_1 (price int, id int NOT NULL, older text, site int NOT NULL, label text, region text NOT NULL, qty int);
ALTER TABLE stock_eu_1 DROP COLUMN older;
ALTER TABLE stock_eu ATTACH PARTITION stock_eu_1 FOR VALUES FROM (1) TO (10);
CREATE TABLE stock_eu_2 PARTITION OF stock_eu FOR VALUES FROM (10) TO (20);
ALTER TABLE stock ATTACH PARTITION stock_eu FOR VALUES IN ('eu');
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
CREATE TABLE stock_rest PARTITION OF stock DEFAULT;
INSERT INTO stock SELECT i, r, s, i, i * 10, 'l' || i
FROM (VALUES (1, 'eu', 1), (2, 'eu', 2), (3, 'eu', 11), (4, 'us', 1), (5, 'asia', 1)) v(i, r, s);
DO $$ BEGIN
	PERFORM ownership.add_system('wms', 'wms');
	PERFORM ownership.assign('stock', '{id,price}', 'erp');
	PERFORM ownership.assign('stock', '{region,site,qty}', 'wms');
	PERFORM ownership.assign('stock', '{label}', 'pim');
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'lift.stock';
END $$;
CREATE FUNCTION policies() RETURNS TABLE (o bigint, p text) LANGUAGE sql AS $$
	SELECT o, p FROM unnest('{observe,fill,create_only,keep,reject}'::text[]) WITH ORDINALITY p(p, o)
$$;
CALL quiet();
SET ownership.system = 'wms';
SELECT same('in place', 'UPDATE stock SET qty = 0', 'UPDATE stock_eu SET qty = 1', 'UPDATE stock_eu_1 SET qty = 2', 'UPDATE stock SET qty = 3 WHERE site = 1 RETURNING *');
SELECT same('in place, foreign: ' || p, format($$CALL own('stock', 'price', 'erp', %L)$$, p), 'UPDATE stock SET qty = 0, price = 0', 'UPDATE stock_eu SET price = 0 RETURNING *', 'UPDATE stock_eu_1 SET qty = 1, price = price') FROM policies() ORDER BY o;
SELECT same('moves', $$UPDATE stock SET region = 'us' WHERE id = 1$$, $$UPDATE stock SET region = 'eu', site = 11, qty = 2 WHERE id = 4$$, 'UPDATE stock_eu SET site = 1 WHERE id = 3', $$UPDATE stock SET region = 'mars' WHERE id = 2$$, $$UPDATE stock SET region = 'us', qty = 7$$);
SELECT same('moves, foreign: ' || p, format($$CALL own('stock', 'price', 'erp', %L)$$, p), $$UPDATE stock SET region = 'us', price = 0 WHERE id = 1$$, $$UPDATE stock SET region = 'eu', site = 11, price = 0 WHERE id = 4$$, 'UPDATE stock_eu SET site = 1, price = price WHERE id = 3', $$UPDATE stock SET region = 'us', price = 0$$) FROM policies() ORDER BY o;
SELECT same('out of the table that is named', $$UPDATE stock_eu SET region = 'us' WHERE id = 1$$, $$UPDATE stock_eu SET region = 'us', price = 0 WHERE id = 1$$, $$UPDATE stock_eu_1 SET region = 'us', price = 0 WHERE id = 1$$, $$CALL own('stock', 'price', 'erp', 'keep')$$, $$UPDATE stock_eu SET region = 'us', price = 0 WHERE id = 1$$);
SELECT same('moves by another: ' || p, 'SET LOCAL ownership.system = pim', format($$CALL own('stock', 'region', 'wms', %L)$$, p), format($$CALL own('stock', 'site', 'wms', %L)$$, p), $$UPDATE stock SET region = 'us', label = 'x' WHERE id = 1$$, $$UPDATE stock SET region = 'eu', site = 11 WHERE id = 4$$,
	'UPDATE stock_eu SET site = 1 WHERE id = 3', $$UPDATE stock SET label = 'y', region = region, site = site$$) FROM policies() ORDER BY o;
-- by a BEFORE trigger, of the table and of one partition, while the statement names other columns
CREATE FUNCTION send() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	new.region := CASE new.region WHEN 'us' THEN 'asia' ELSE 'us' END;
	IF new.qty = 99 THEN new.price := 99; END IF;
	RETURN new;
END $$;
SELECT same('moved by a trigger of ' || t || ', ' || n, format('CREATE TRIGGER %I BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION send()', n, t), 'UPDATE stock SET qty = 0', 'UPDATE stock SET qty = 99', 'SET LOCAL ownership.system = pim', $$UPDATE stock SET label = 'x'$$, $$UPDATE stock SET label = 'y', price = 0$$, $$CALL own('stock', 'price', 'erp', 'keep')$$, $$UPDATE stock SET label = 'y', price = 0$$)
FROM unnest('{stock,stock_us,stock_eu_1}'::text[]) WITH ORDINALITY t(t, o), unnest('{a,zzzzz}'::text[]) WITH ORDINALITY n(n, q) ORDER BY o, q;
-- to a partition that the plan does not hold
SELECT same('moved by a trigger, pruned', 'CREATE TRIGGER a BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION send()', $$UPDATE stock SET qty = 0 WHERE region = 'eu'$$, $$UPDATE stock SET qty = 1 WHERE region = 'us'$$, 'SET LOCAL ownership.system = pim', $$UPDATE stock SET label = 'x' WHERE region = 'asia' AND id = 1$$, $$UPDATE stock_us SET label = 'y' WHERE id = 2$$);
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT same('a move that a trigger suppresses', 'CREATE TRIGGER zzzzz BEFORE DELETE ON stock FOR EACH ROW EXECUTE FUNCTION stay()', $$UPDATE stock SET region = 'us' WHERE id = 1$$, $$INSERT INTO stock (id, region, site) VALUES (9, 'us', 1)$$);
CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.price := 55; RETURN new; END $$;
SELECT same('arrivals that a trigger changes', 'CREATE TRIGGER a BEFORE INSERT ON stock_us FOR EACH ROW EXECUTE FUNCTION arrive()', $$UPDATE stock SET region = 'us' WHERE id = 1$$, $$UPDATE stock SET region = 'us', price = price WHERE id = 2$$, $$INSERT INTO stock (id, region, site) VALUES (9, 'us', 1)$$);
SELECT same('arrivals that a trigger suppresses', 'CREATE TRIGGER a BEFORE INSERT ON stock_us FOR EACH ROW EXECUTE FUNCTION stay()', $$UPDATE stock SET region = 'us' WHERE id = 1$$, $$INSERT INTO stock (id, region, site) VALUES (9, 'us', 1)$$, $$INSERT INTO stock (id, region, site) VALUES (9, 'eu', 1)$$);
-- INSERT, COPY, upserts, MERGE
SELECT same('INSERT by another', $$INSERT INTO stock (id, region, site) VALUES (6, 'eu', 1)$$, $$INSERT INTO stock_us (id, region, site) VALUES (6, 'us', 1)$$);
SET ownership.system = 'erp';
SELECT same('routed INSERT', $$CALL own('stock', 'region', NULL)$$, $$CALL own('stock', 'site', NULL)$$, $$INSERT INTO stock (id, region, site) SELECT 10 + i, (array['eu', 'us', 'asia'])[1 + i % 3], 1 + i FROM generate_series(1, 12) i$$, $$INSERT INTO stock_eu (id, region, site, price) VALUES (30, 'eu', 1, 1), (31, 'eu', 11, 1), (32, 'eu', 12, 1)$$,
	$$INSERT INTO stock (id, region, site, label) VALUES (40, 'us', 1, NULL), (41, 'us', 1, 'x')$$, $$INSERT INTO stock (id, region, site, qty) VALUES (42, 'us', 1, 1)$$);
SELECT same('routed INSERT, foreign: ' || p, $$CALL own('stock', 'region', NULL)$$, $$CALL own('stock', 'site', NULL)$$, format($$CALL own('stock', 'label', 'pim', %L)$$, p), $$INSERT INTO stock (id, region, site, label) SELECT 10 + i, (array['eu', 'us', 'asia'])[1 + i % 3], 1 + i, CASE WHEN i > 6 THEN 'x' END FROM generate_series(1, 9) i$$) FROM policies() ORDER BY o;
SELECT same('routed COPY', $$CALL own('stock', 'region', NULL)$$, $$CALL own('stock', 'site', NULL)$$, $$COPY stock (id, region, site) FROM PROGRAM 'printf "11,us,1\n12,eu,1\n13,eu,11\n14,us,1\n15,eu,1\n16,asia,1\n"' (FORMAT csv)$$, $$COPY stock (id, region, site, qty) FROM PROGRAM 'printf "21,us,1,\n22,us,1,1\n"' (FORMAT csv)$$,
	$$CALL own('stock', 'qty', 'wms', 'keep')$$, $$COPY stock (id, region, site, qty) FROM PROGRAM 'printf "21,us,1,\n22,us,1,1\n23,eu,1,1\n"' (FORMAT csv)$$);
SELECT same('routed upsert', $$CALL own('stock', 'region', NULL)$$, $$CALL own('stock', 'site', NULL)$$, $$INSERT INTO stock (id, region, site, price) VALUES (1, 'eu', 1, 5), (6, 'us', 1, 6), (4, 'us', 1, 5) ON CONFLICT (id, region, site) DO UPDATE SET price = excluded.price$$,
	$$INSERT INTO stock (id, region, site) VALUES (1, 'eu', 1) ON CONFLICT (id, region, site) DO UPDATE SET qty = 0$$, $$INSERT INTO stock (id, region, site, qty) VALUES (1, 'eu', 1, 9) ON CONFLICT DO NOTHING$$, $$INSERT INTO stock (id, region, site, qty) VALUES (7, 'eu', 1, 9) ON CONFLICT DO NOTHING$$);
SELECT same('MERGE', $$CALL own('stock', 'region', NULL)$$, $$CALL own('stock', 'site', NULL)$$, $$MERGE INTO stock s USING (VALUES (1), (4), (9)) v(id) ON s.id = v.id WHEN MATCHED AND s.id = 1 THEN UPDATE SET price = 0 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, region, site) VALUES (v.id, 'us', 1)$$,
	$$MERGE INTO stock s USING (VALUES (1), (2), (9)) v(id) ON s.id = v.id WHEN MATCHED THEN UPDATE SET region = 'us', price = 7 WHEN NOT MATCHED THEN INSERT (id, region, site) VALUES (v.id, 'us', 1)$$,
	$$MERGE INTO stock s USING (VALUES (1), (2)) v(id) ON s.id = v.id WHEN MATCHED THEN UPDATE SET price = 7, qty = 7$$, 'SET LOCAL ownership.system = wms', $$MERGE INTO stock s USING (VALUES (1), (2)) v(id) ON s.id = v.id WHEN MATCHED AND s.id = 1 THEN UPDATE SET region = 'asia' WHEN MATCHED THEN DELETE$$);
SELECT same('a partition with a map of its own', $$SELECT ownership.assign('lift.stock_us', '{qty}', 'erp')$$, 'UPDATE stock SET qty = 0 WHERE id = 4', 'UPDATE stock SET qty = 0 WHERE id = 5', 'UPDATE stock_us SET qty = 0', 'SET LOCAL ownership.system = wms', 'UPDATE stock SET qty = 0', 'UPDATE stock SET qty = 0 WHERE id <> 4', $$UPDATE stock SET region = 'us', qty = 5 WHERE id = 1$$);
SELECT same('a partition that is all the writer''s', 'SET LOCAL ownership.system = wms', $$SELECT ownership.assign('lift.stock_us', '{id,region,site,qty,price,label}', 'wms')$$, $$UPDATE stock SET region = 'us', qty = 1 WHERE id = 1$$, $$UPDATE stock SET region = 'eu' WHERE id = 4$$, $$UPDATE stock SET region = CASE region WHEN 'us' THEN 'eu' ELSE 'us' END, price = 0$$,
	$$UPDATE stock SET region = CASE region WHEN 'us' THEN 'eu' ELSE 'us' END$$, 'DELETE FROM stock WHERE id = 2', 'DELETE FROM stock_us', $$INSERT INTO stock_us VALUES (9, 'us', 1, 1, 1, 'x')$$, $$WITH a AS (UPDATE stock SET region = 'us' WHERE id = 4) INSERT INTO stock VALUES (10, 'us', 1, 1, 1, 'x')$$, $$WITH a AS (UPDATE stock SET region = 'us' WHERE id = 3) INSERT INTO stock VALUES (10, 'eu', 1, 1, 1, 'x')$$);
SELECT same('attached and detached', 'ALTER TABLE stock DETACH PARTITION stock_us', 'UPDATE stock_us SET qty = 0', 'UPDATE stock SET qty = 0', $$CREATE TABLE stock_mars PARTITION OF stock FOR VALUES IN ('mars')$$, 'SET LOCAL ownership.system = wms', $$UPDATE stock SET region = 'mars' WHERE id = 1$$, 'UPDATE stock SET price = 0 WHERE id = 1');

--
-- Who writes.
--
CREATE TABLE price_list (market text, sku int, price int, note text, PRIMARY KEY (market, sku));
INSERT INTO price_list VALUES ('fr', 1, 10), ('uk', 1, 10), ('de', 1, 10);
CREATE TABLE landing (id int PRIMARY KEY, price int, title text);
INSERT INTO landing VALUES (1, 1, 'a'), (2, 2, 'b');
DO $$ BEGIN
	PERFORM ownership.assign('price_list', NULL, 'erp');
	PERFORM ownership.assign_rows('price_list', '{price}', 'pim', 'market = $q$fr$q$');
	PERFORM ownership.assign_rows('price_list', '{price}', NULL, 'market = $q$uk$q$');
	PERFORM ownership.add_tables('lift.landing', 'erp');
	UPDATE ownership.field SET owner = 'pim' WHERE entity = 'lift.landing' AND name = 'title';
END $$;
CALL quiet();
SELECT same('row owners: ' || s, format('SET LOCAL ownership.system = %L', s), $$UPDATE price_list SET price = 0 WHERE market = 'fr'$$, $$UPDATE price_list SET price = 1 WHERE market = 'uk'$$, $$UPDATE price_list SET price = 2 WHERE market = 'de'$$, 'UPDATE price_list SET price = 3', $$UPDATE price_list SET note = 'n'$$, 'UPDATE price_list SET price = price',
	$$INSERT INTO price_list VALUES ('es', 1, 1)$$, $$DELETE FROM price_list WHERE market = 'fr'$$) FROM unnest('{erp,pim,wms}'::text[]) WITH ORDINALITY s(s, o) ORDER BY o;
RESET ownership.system;
SELECT same('role: ' || r, 'SET ROLE ' || r, $$UPDATE product SET title = 'x'$$, 'UPDATE product SET price = 0', 'UPDATE product SET cost = 0', $$UPDATE product SET note = 'x'$$, $$INSERT INTO product (id, title) VALUES (4, 'x')$$, 'DELETE FROM product WHERE id = 1',
	$$UPDATE landing SET title = 'x'$$, 'UPDATE landing SET price = 0', $$INSERT INTO landing VALUES (3, 3, 'c')$$, 'DELETE FROM landing WHERE id = 1')
FROM unnest('{regress_erp,regress_pim,regress_steward,regress_carrier,regress_stranger}'::text[]) WITH ORDINALITY r(r, o) ORDER BY o;
SELECT same('enforcement: ' || e, 'SET LOCAL ownership.system = pim', 'SET LOCAL ownership.enforcement = ' || e, $$UPDATE product SET title = 'x'$$, 'UPDATE product SET price = 0', 'UPDATE product SET cost = 0', 'INSERT INTO product (id, price) VALUES (4, 4)', 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 1')
FROM unnest('{on,observe,off}'::text[]) WITH ORDINALITY e(e, o) ORDER BY o;
SELECT same('default policy: ' || p, 'SET LOCAL ownership.system = pim', 'SET LOCAL ownership.default_policy = ' || p, $$UPDATE product SET title = 'x'$$, 'UPDATE product SET price = 0', 'INSERT INTO product (id, price) VALUES (4, 4)', 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 1') FROM policies() ORDER BY o;
SELECT same('replica', 'SET LOCAL ownership.system = pim', 'SET LOCAL session_replication_role = replica', $$UPDATE product SET title = 'x'$$, 'UPDATE product SET price = 0', 'UPDATE product SET cost = 0', 'UPDATE product SET stock = 0', 'UPDATE product SET price = price', 'INSERT INTO product (id, price) VALUES (4, 4)', $$INSERT INTO product (id, title) VALUES (5, 'x')$$, 'INSERT INTO product (id, cost) VALUES (6, 4)',
	'COPY product (id, title) FROM PROGRAM ''seq 10 15 | sed "s/$/\tx/"''', 'DELETE FROM product WHERE id = 1', 'SET LOCAL ownership.system = erp', 'DELETE FROM product WHERE id = 2', 'SET LOCAL session_replication_role = origin', $$UPDATE product SET title = 'x'$$);
SELECT same('replica: partitions', 'SET LOCAL ownership.system = wms', 'SET LOCAL session_replication_role = replica', 'UPDATE stock SET qty = 0', $$UPDATE stock SET region = 'us' WHERE id = 1$$, $$UPDATE stock SET region = 'us', price = 0 WHERE id = 2$$, $$CALL own('stock', 'price', 'erp', 'keep')$$, $$UPDATE stock SET region = 'us', price = 0 WHERE id = 2$$, 'UPDATE stock SET qty = 1, price = 0');
-- what must not become an error where no row is written
SELECT same('an unknown system', $$SET LOCAL ownership.system = 'none'$$, $$UPDATE product SET title = 'x' WHERE id = 99$$, 'INSERT INTO product (id) SELECT 1 WHERE false', 'DELETE FROM product WHERE id = 99', $$UPDATE product SET title = 'x' WHERE id = 1$$, 'EXPLAIN UPDATE product SET price = 0', 'COPY product (id) FROM PROGRAM ''true''', 'SET LOCAL ownership.enforcement = off', $$UPDATE product SET title = 'x' WHERE id = 1$$);
SELECT same('a broken filter', 'SET LOCAL ownership.system = pim', 'ALTER TABLE price_list ADD gone int', $$SELECT ownership.assign_rows('lift.price_list', '{note}', 'pim', 'gone = 1')$$, 'ALTER TABLE price_list DROP gone', $$UPDATE price_list SET note = 'x' WHERE sku = 99$$, $$UPDATE price_list SET note = 'x'$$, 'INSERT INTO price_list SELECT FROM price_list WHERE false', 'SET LOCAL ownership.enforcement = off', $$UPDATE price_list SET note = 'x'$$);
SELECT same('a filter that fails', 'SET LOCAL ownership.system = pim', $$SELECT ownership.assign_rows('lift.price_list', '{note}', 'pim', '1 / (price - 10) > 0')$$, $$UPDATE price_list SET note = 'x' WHERE sku = 99$$, $$UPDATE price_list SET note = 'x'$$, $$UPDATE price_list SET price = 11 WHERE market = 'fr'$$, $$UPDATE price_list SET note = 'x' WHERE market = 'fr'$$, 'SET LOCAL ownership.system = erp', $$UPDATE price_list SET note = 'x'$$);

--
-- Cached plans: map and writer change between executions.
--
CREATE FUNCTION set_price(int, int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN UPDATE product SET price = $2, title = 'f' WHERE id = $1; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END $$;
CREATE FUNCTION set_title(int, text) RETURNS SETOF int LANGUAGE sql AS $$ UPDATE product SET title = $2 WHERE id = $1 RETURNING id $$;
CREATE FUNCTION as_erp(int) RETURNS void LANGUAGE plpgsql SET ownership.system = 'erp' AS $$ BEGIN UPDATE product SET price = $1; END $$;
CREATE FUNCTION as_role(int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET role = 'regress_erp' AS $$ BEGIN UPDATE product SET price = $1; END $$;
CREATE FUNCTION add_title(int, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO product (id, title) VALUES ($1, $2); END $$;
-- in the order of the key, on which it depends how many rows come before the one that fails
SELECT same('plans: ' || m, 'SET LOCAL plan_cache_mode = ' || m, 'SET LOCAL enable_seqscan = off', 'SET LOCAL enable_bitmapscan = off', 'SET LOCAL ownership.system = pim', $$PREPARE p AS UPDATE product SET price = $1, title = title || '!' WHERE id = 1 RETURNING price, title$$, $$PREPARE q AS UPDATE product SET title = title || '?' WHERE id > 0$$,
	'EXECUTE p(10)', 'EXECUTE p(11)', 'EXECUTE q', $$CALL own('product', 'price', 'pim')$$, 'EXECUTE p(12)', $$CALL own('product', 'title', 'erp')$$, 'EXECUTE p(13)', 'EXECUTE q', $$CALL own('product', 'title', 'pim')$$, 'EXECUTE q', $$CALL own('product', 'price', 'erp', 'keep')$$, 'EXECUTE p(14)',
	'SET LOCAL ownership.system = erp', 'EXECUTE p(15)', 'EXECUTE q', 'SET LOCAL ownership.enforcement = off', 'EXECUTE q', 'SET LOCAL ownership.enforcement = on', 'EXECUTE q', 'RESET ownership.system', 'SET ROLE regress_pim', 'EXECUTE q', 'SET ROLE regress_erp', 'EXECUTE q', 'SET ROLE regress_stranger', 'EXECUTE q', 'RESET ROLE',
	'ALTER TABLE product ADD COLUMN more int DEFAULT 5', 'EXECUTE q', 'SET LOCAL ownership.system = pim', 'EXECUTE q', $$SELECT ownership.unguard('lift.product')$$, 'EXECUTE p(16)', $$SELECT ownership.guard('lift.product')$$, 'EXECUTE p(17)', 'EXECUTE q', $$SELECT ownership.assign_rows('lift.product', '{title}', 'erp', 'id = 2')$$, 'EXECUTE q', 'EXECUTE p(17)')
FROM unnest('{force_generic_plan,force_custom_plan,auto}'::text[]) WITH ORDINALITY m(m, o) ORDER BY o;
SELECT same('functions: ' || m, 'SET LOCAL plan_cache_mode = ' || m, 'SET LOCAL ownership.system = pim', 'SELECT set_price(1, 10)', 'SELECT set_price(1, 11)', $$CALL own('product', 'price', 'pim')$$, 'SELECT set_price(1, 12)', $$CALL own('product', 'price', 'erp', 'keep')$$, 'SELECT set_price(1, 13)', $$SELECT set_title(1, 'x')$$, $$SELECT add_title(4, 'x')$$, $$CALL own('product', 'title', 'erp')$$, $$SELECT set_title(1, 'y')$$, $$SELECT add_title(5, 'x')$$, 'SELECT as_erp(7)', 'SELECT set_price(1, 14)', 'SELECT as_erp(8), as_role(9), set_price(2, 14)', 'RESET ownership.system', 'SELECT as_role(10)', 'SET ROLE regress_pim', 'SELECT set_price(1, 10)', 'SELECT as_role(11)', $$SELECT set_title(1, 'z')$$)
FROM unnest('{force_generic_plan,force_custom_plan}'::text[]) WITH ORDINALITY m(m, o) ORDER BY o;
SELECT same('partitions in a plan', 'SET LOCAL plan_cache_mode = force_generic_plan', 'SET LOCAL ownership.system = wms', 'PREPARE p AS UPDATE stock SET qty = $1 WHERE region = $2', $$EXECUTE p(1, 'eu')$$, $$EXECUTE p(2, 'us')$$, $$CALL own('stock', 'qty', 'erp')$$, $$EXECUTE p(3, 'us')$$, $$CALL own('stock', 'qty', 'wms')$$, $$EXECUTE p(4, 'asia')$$, 'SET LOCAL ownership.system = erp', $$EXECUTE p(5, 'eu')$$);
-- cursors
SELECT same('cursors', 'SET LOCAL ownership.system = pim', $do$DO $$
DECLARE
	c CURSOR FOR SELECT id, title FROM product ORDER BY id FOR UPDATE;
	d refcursor;
	r record;
BEGIN
	OPEN c;
	FETCH c INTO r;
	UPDATE product SET title = 'current' WHERE CURRENT OF c;
	FETCH c INTO r;
	BEGIN UPDATE product SET title = 'current', price = 0 WHERE CURRENT OF c; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	UPDATE product SET title = 'kept', cost = 0 WHERE CURRENT OF c;
	DELETE FROM product WHERE CURRENT OF c;
	OPEN d FOR UPDATE product SET title = title || '!' RETURNING id;
	FETCH d INTO r;
	SET LOCAL ownership.system = 'erp';
	UPDATE product SET price = 0 WHERE id = 3;
	FETCH d INTO r;
	BEGIN UPDATE product SET title = '' WHERE CURRENT OF c; EXCEPTION WHEN OTHERS THEN NULL; END;
END $$$do$);
SELECT same('EXPLAIN', 'SET LOCAL ownership.system = pim', $do$DO $$ BEGIN
	EXECUTE 'EXPLAIN ANALYZE UPDATE product SET title = note';
	EXECUTE 'EXPLAIN UPDATE product SET price = 0';
	EXECUTE 'EXPLAIN ANALYZE UPDATE product SET cost = 0';
	BEGIN EXECUTE 'EXPLAIN ANALYZE UPDATE product SET price = 0'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
END $$$do$);

--
-- Foreign-key actions and constraint triggers.
--
CREATE TABLE customer (id int PRIMARY KEY, name text, boss int REFERENCES customer ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE address (id int PRIMARY KEY, customer int REFERENCES customer ON DELETE CASCADE ON UPDATE CASCADE, city text);
CREATE TABLE invoice (id int PRIMARY KEY, customer int DEFAULT 9 REFERENCES customer ON DELETE SET NULL ON UPDATE SET DEFAULT, total int);
INSERT INTO customer VALUES (9, 'nobody', NULL), (1, 'one', NULL), (2, 'two', 1), (3, 'three', 1);
INSERT INTO address SELECT i, i, 'x' FROM generate_series(1, 3) i;
INSERT INTO invoice SELECT i, i, 10 FROM generate_series(1, 3) i;
DO $$ BEGIN
	PERFORM ownership.assign('customer', NULL, 'pim');
	PERFORM ownership.assign('address', NULL, 'pim');
	PERFORM ownership.assign('invoice', NULL, 'pim');
END $$;
SET ownership.system = 'pim';
CALL quiet();
SELECT same('cascades, own', 'DELETE FROM customer WHERE id = 1', 'UPDATE customer SET id = 12 WHERE id = 2', $$UPDATE customer SET name = 'x'$$);
SELECT same('cascades into ' || t || '.' || c || ': ' || p, format('CALL own(%L, %L, ''erp'', %L)', t, c, p), 'DELETE FROM customer WHERE id = 1', 'UPDATE customer SET id = 12 WHERE id = 2', 'UPDATE customer SET boss = 2 WHERE id = 3', format('WITH a AS (UPDATE %s SET id = id) DELETE FROM customer WHERE id = 3', t))
FROM (VALUES (1, 'address', 'id'), (2, 'address', 'customer'), (3, 'invoice', 'id'), (4, 'invoice', 'customer'), (5, 'customer', 'boss'), (6, 'customer', 'id')) v(n, t, c), policies() ORDER BY n, o;
CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'UPDATE product SET ' || TG_ARGV[0] || ' = $q$77$q$ WHERE id = 3';
	RETURN NULL;
END $$;
SELECT same('a deferred trigger writes ' || c, format('CREATE CONSTRAINT TRIGGER a AFTER UPDATE ON customer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION later(%L)', c), $$UPDATE customer SET name = 'x' WHERE id = 1$$, $$UPDATE product SET title = 'x' WHERE id = 1$$)
FROM unnest('{title,price,cost,stock}'::text[]) WITH ORDINALITY c(c, o) ORDER BY o;

--
-- Groups: columns that are one value together.
--
CREATE TABLE place (id int PRIMARY KEY, street text, city text, zip text DEFAULT '-', note text);
INSERT INTO place VALUES (1, NULL, 'Berlin', '10115', 'n'), (2, NULL, ' ', '', 'n'), (3, 'Unter den Linden 1', 'Berlin', '10117', 'n');
DO $$ BEGIN
	PERFORM ownership.assign('place', NULL, 'pim');
	UPDATE ownership.field SET column_group = 'address' WHERE entity = 'lift.place' AND name IN ('street', 'city', 'zip');
END $$;
CREATE PROCEDURE grouped(p text, blank text) LANGUAGE sql AS $$
	UPDATE ownership.field SET policy = p, on_blank = CASE name WHEN 'street' THEN blank END WHERE entity = 'lift.place' AND column_group = 'address'$$;
CALL quiet();
SELECT same(format('a group, %s, %s, by %s', p, b, w), format('CALL grouped(%L, %L)', p, b), format('SET LOCAL ownership.system = %s', w),
	$$UPDATE place SET street = 'x', city = 'y', note = 'z'$$, $$UPDATE place SET street = 'x' WHERE id = 2$$, $$UPDATE place SET street = '', city = 'v', note = 'w'$$,
	$$UPDATE place SET street = NULLIF(street, 'x'), city = 'u'$$, $$UPDATE place SET city = '', zip = '1'$$,
	$$INSERT INTO place VALUES (1, '', 'c', 'd') ON CONFLICT (id) DO UPDATE SET street = EXCLUDED.street, city = EXCLUDED.city$$,
	$$MERGE INTO place p USING (VALUES (2), (3)) v(id) ON p.id = v.id WHEN MATCHED AND p.id = 3 THEN UPDATE SET street = ' ', city = 'e' WHEN MATCHED THEN UPDATE SET zip = 'f'$$)
FROM policies(), unnest('{NULL,observe,keep,reject}'::text[]) WITH ORDINALITY b(b, q), unnest('{pim,erp}'::text[]) WITH ORDINALITY w(w, r) ORDER BY w.r, b.q, o;

-- What has been compared: nothing diverges, and there was something to it.
\pset tuples_only off
SELECT count(*) AS scripts, sum(statements) AS statements, sum(errors) AS errors, sum(evidence) AS evidence,
	sum(amends) AS amends, sum(amends_lifted) AS lifted, sum(judges) AS judges, sum(judges_lifted) AS lifted, count(*) FILTER (WHERE diverges) AS diverging
FROM compared;

\pset format aligned
RESET ownership.system;
RESET ROLE;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA lift CASCADE;
DROP ROLE regress_erp, regress_pim, regress_steward, regress_carrier, regress_stranger;
