-- No function of the extension trusts where it is called from.  Every one that
-- pg_depend knows is called by a stranger with nothing, with what is empty and
-- with what is hostile; every trigger function is attached to tables of
-- somebody else's, for every event, timing and level: an error or nothing,
-- never a change, a crash or an address.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_stranger;
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text);
INSERT INTO product VALUES (1, 1, 'one');
GRANT ALL ON product TO regress_erp, regress_stranger;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.assign('product', NULL, 'erp', policy => 'keep');
SELECT ownership.assign_rows('product', '{title}', 'erp', 'id > 1');
INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('elsewhere.*', 'erp');
SET ROLE regress_stranger;
UPDATE product SET price = 2;
RESET ROLE;
DO $$ BEGIN IF current_setting('shared_preload_libraries') = 'ownership' THEN PERFORM ownership.flush(); END IF; END $$;

-- All that the extension holds.  Activity is left out: whatever is read is counted there.
CREATE FUNCTION state() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one text;
	whole text := '';
	t regclass;
BEGIN
	FOR t IN SELECT c.oid FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership' WHERE c.relkind = 'r' AND c.relname <> 'activity' ORDER BY c.relname COLLATE "C"
	LOOP
		EXECUTE format('SELECT md5(string_agg(t::text, '','' ORDER BY t::text COLLATE "C")) FROM %s t', t) INTO one;
		whole := whole || t || coalesce(one, '-') || ' ';
	END LOOP;
	RETURN md5(whole || (SELECT string_agg(p::text, ',' ORDER BY p::text COLLATE "C") FROM product p));
END $$;
CREATE TABLE tried (function text, how text, state text, message text);
CREATE FUNCTION own(trigger_functions boolean) RETURNS SETOF regprocedure LANGUAGE sql AS
	'SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = ''pg_proc''::regclass AND d.deptype = ''e''
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = ''ownership''
	WHERE (p.prorettype IN (''trigger''::regtype, ''event_trigger''::regtype)) = $1 ORDER BY p.oid::regprocedure::text COLLATE "C"';
SELECT state() AS before \gset
-- it sees a change
BEGIN;
UPDATE ownership.field SET rationale = 'x' WHERE name = 'price';
SELECT state() = :'before' AS unchanged;
ROLLBACK;
SELECT state() = :'before' AS unchanged;

--
-- Functions, called by a stranger
--
CREATE FUNCTION call(p regprocedure, VARIADIC arguments text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	types regtype[];
	list text;
	how text;
BEGIN
	SELECT ARRAY(SELECT t::regtype FROM unnest(proargtypes::oid[]) t) INTO types FROM pg_proc WHERE oid = p;
	SELECT string_agg(format(CASE types[i] WHEN '"any"'::regtype THEN '%L::text' WHEN 'anyelement'::regtype THEN '%L::int' ELSE '%L::' || types[i] END, arguments[i]), ', ' ORDER BY i)
		INTO list FROM generate_series(1, cardinality(types)) i;
	SELECT format(CASE prokind WHEN 'p' THEN 'CALL ownership.%s(%s)' ELSE 'SELECT count(f::text) FROM ownership.%s(%s) f' END, proname, list)
		INTO how FROM pg_proc WHERE oid = p;
	SET LOCAL ROLE regress_stranger;
	BEGIN
		EXECUTE how;
		RESET ROLE;
		INSERT INTO tried VALUES (p::text, left(how, 200), '00000');
	EXCEPTION WHEN OTHERS THEN
		RESET ROLE;
		INSERT INTO tried VALUES (p::text, left(how, 200), SQLSTATE, left(SQLERRM, 200));
	END;
END $$;
CREATE FUNCTION worst(type regtype) RETURNS text[] LANGUAGE sql AS $$
	SELECT CASE type
		WHEN 'text'::regtype THEN ARRAY['', ' ', '*', '.', '..', 'product.price', 'public.product', '"', $q$"; DROP TABLE product; --$q$, $q$'||(1/0)||'$q$, '%s%n%x', repeat('x', 100000), E'\x01\n\t', '{', '(((', '[[:alpha:]', E'\u00e9', 'erp', 'high', 'id > 1']
		WHEN 'name'::regtype THEN ARRAY['', 'price', '"', repeat('x', 63)]
		WHEN 'regclass'::regtype THEN ARRAY['0', '4294967295', 'pg_class', 'product', 'product_pkey', 'ownership.field', 'ownership.map', 'ownership.conflict_id_seq', 'pg_toast.pg_toast_1255']
		WHEN 'oid'::regtype THEN ARRAY['0', '4294967295', '1259']
		WHEN 'text[]'::regtype THEN ARRAY['{}', '{NULL}', '{""}', '[0:1]={a,b}', '{{a,b},{c,d}}', '{product.price,product.title}', '{erp}']
		WHEN 'name[]'::regtype THEN ARRAY['{}', '{NULL}', '{""}', '[0:1]={id,price}', '{{id,price},{price,title}}', '{price}']
		WHEN 'bigint[]'::regtype THEN ARRAY['{}', '{NULL}', '{0}', '[0:1]={1,2}', '{{1,2},{3,4}}', '{-1,9223372036854775807}']
		WHEN 'jsonb'::regtype THEN ARRAY['null', '[]', '{}', '""', '1', '{"id": null}', '{"id": {"id": 1}}', '{"id": "1"}', '{"": ""}', '[{"id": 1}]', '{"id": 1e400}']
		WHEN 'bytea'::regtype THEN ARRAY['', '\x00', '\xff00ff', '\xefbbbf', '\x504b0304']
		WHEN 'boolean'::regtype THEN ARRAY['t', 'f']
		WHEN 'bigint'::regtype THEN ARRAY['0', '-1', '1', '9223372036854775807', '-9223372036854775808']
		WHEN 'integer'::regtype THEN ARRAY['0', '-1', '1', '2147483647', '-2147483648']
		WHEN 'interval'::regtype THEN ARRAY['0', '-1 day', '178000000 years', '-178000000 years']
		WHEN 'timestamp with time zone'::regtype THEN ARRAY['infinity', '-infinity', 'epoch', '294276-12-31', '4713-01-01 BC']
		WHEN '"any"'::regtype THEN ARRAY['', 'x']
		WHEN 'anyelement'::regtype THEN ARRAY['0']
	END $$;
-- nothing is left out because its type is not listed
SELECT DISTINCT t::regtype FROM own(false) f, pg_proc p, unnest(p.proargtypes::oid[]) t WHERE p.oid = f AND worst(t::regtype) IS NULL;
DO $$
DECLARE
	f regprocedure;
	types regtype[];
	nothing text[];
	first text[];
	other text[];
	one text;
BEGIN
	FOR f IN SELECT own(false) LOOP
		SELECT ARRAY(SELECT t::regtype FROM unnest(proargtypes::oid[]) t) INTO types FROM pg_proc WHERE oid = f;
		nothing := array_fill(NULL::text, ARRAY[cardinality(types)]);
		PERFORM call(f, VARIADIC nothing);
		first := ARRAY(SELECT (worst(t))[1] FROM unnest(types) WITH ORDINALITY u(t, i) ORDER BY i);
		PERFORM call(f, VARIADIC first);
		FOR i IN 1 .. cardinality(types) LOOP
			-- beside nothing, beside what is empty, and beside what is there
			FOREACH one IN ARRAY worst(types[i]) LOOP
				other := nothing;
				other[i] := one;
				PERFORM call(f, VARIADIC other);
				other := first;
				other[i] := one;
				PERFORM call(f, VARIADIC other);
				other := ARRAY(SELECT CASE t WHEN 'regclass'::regtype THEN 'product' WHEN 'name[]'::regtype THEN '{price}' WHEN 'text[]'::regtype THEN '{product.price}'
					WHEN 'jsonb'::regtype THEN '{"id": "1"}' WHEN 'text'::regtype THEN 'product.price' WHEN 'name'::regtype THEN 'price' ELSE (worst(t))[1] END
					FROM unnest(types) WITH ORDINALITY u(t, k) ORDER BY k);
				other[i] := one;
				PERFORM call(f, VARIADIC other);
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
SELECT count(DISTINCT function) = (SELECT count(*) FROM own(false)) AS all_of_them, count(*) > 500 AS many FROM tried;
-- an error that no user should see
SELECT function, how, state, message FROM tried WHERE state ~ '^XX' OR message ~ 'cache lookup|could not open relation with OID|unrecognized' ORDER BY 1, 2;
SELECT state() = :'before' AS unchanged;
TRUNCATE tried;

--
-- Trigger functions, on tables of somebody else's
--
-- columns of every name that the extension's tables have, of one type each; a view over each; and tables that are called like the extension's
CREATE SCHEMA theirs AUTHORIZATION regress_stranger;
-- of views, too, but of type name: a row must fit into a page
CREATE FUNCTION names(type text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%I %s', n, $1), ', ' ORDER BY n COLLATE "C") FROM (SELECT DISTINCT a.attname::text AS n FROM pg_attribute a
		JOIN pg_class c ON c.oid = a.attrelid AND (c.relkind = 'r' OR c.relkind = 'v' AND $1 <> 'name') AND c.relnamespace = 'ownership'::regnamespace
		WHERE a.attnum > 0 AND NOT a.attisdropped) u $$;
DO $$
DECLARE
	i int := 0;
	type text;
BEGIN
	FOREACH type IN ARRAY '{text,int8,bool,timestamptz,text[],jsonb,bytea,name}'::text[] LOOP
		i := i + 1;
		EXECUTE format('CREATE TEMP TABLE t%s (%s)', i, names(type));
		EXECUTE format('ALTER TABLE t%s OWNER TO regress_stranger', i);
		EXECUTE format('CREATE TEMP VIEW v%s AS SELECT * FROM t%1$s', i);
		EXECUTE format('ALTER VIEW v%s OWNER TO regress_stranger', i);
	END LOOP;
	-- of no such name, and of none at all
	CREATE TEMP TABLE t9 (x int);
	CREATE TEMP TABLE t10 ();
	EXECUTE format('CREATE TABLE theirs.domain (%s)', names('text'));
	CREATE TEMP TABLE identity (LIKE ownership.identity);
	CREATE TEMP TABLE conflict (LIKE ownership.conflict);
	ALTER TABLE t9 OWNER TO regress_stranger;
	ALTER TABLE t10 OWNER TO regress_stranger;
	ALTER TABLE theirs.domain OWNER TO regress_stranger;
	ALTER TABLE identity OWNER TO regress_stranger;
	ALTER TABLE conflict OWNER TO regress_stranger;
END $$;
-- Attaches, writes, and looks whether what is stored is what was written.
CREATE FUNCTION attach(f regprocedure, t text, shape text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	how text := format(shape, t, f);
	columns text[] := ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = t::regclass AND attnum > 0 ORDER BY attnum);
	list text := nullif(array_to_string(columns, ', '), '');
	value text;
	statements text[];
	n bigint := 0;
BEGIN
	SELECT CASE min(atttypid::regtype::text) WHEN 'text' THEN '''product''' WHEN 'name' THEN '''product''' WHEN 'bigint' THEN '1' WHEN 'integer' THEN '1' WHEN 'boolean' THEN 'true'
		WHEN 'timestamp with time zone' THEN '''2001-01-01''' WHEN 'text[]' THEN '''{a}''' WHEN 'jsonb' THEN '''{"a": 1}''' WHEN 'bytea' THEN '''x''' END
		INTO value FROM pg_attribute WHERE attrelid = t::regclass AND attnum > 0 HAVING count(DISTINCT atttypid) = 1;
	statements := ARRAY['INSERT INTO ' || t || ' DEFAULT VALUES',
		'INSERT INTO ' || t || ' (' || list || ') SELECT ' || nullif(array_to_string(array_fill(value, ARRAY[cardinality(columns)]), ', '), ''),
		'UPDATE ' || t || ' SET ' || (SELECT string_agg(c || ' = ' || value, ', ') FROM unnest(columns) c),
		'DELETE FROM ' || t, 'TRUNCATE ' || t];
	BEGIN
		EXECUTE how;
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO tried VALUES (f::text, how, 'not made: ' || SQLSTATE, SQLERRM);
		RETURN;
	END;
	-- a trigger that waits for the end of the transaction waits no longer
	SET CONSTRAINTS ALL IMMEDIATE;
	FOR i IN 1 .. cardinality(statements) LOOP
		CONTINUE WHEN statements[i] IS NULL;
		BEGIN
			EXECUTE statements[i];
			IF value IS NOT NULL THEN
				EXECUTE format('SELECT count(*) FROM %s WHERE NOT (%s)', t, (SELECT string_agg(format('coalesce(%s = %s, true)', c, value), ' AND ') FROM unnest(columns) c)) INTO n;
			END IF;
			INSERT INTO tried VALUES (f::text, how, CASE n WHEN 0 THEN '00000' ELSE 'XX' END, CASE WHEN n > 0 THEN 'a value is another one than was written' END);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO tried VALUES (f::text, how || '; ' || left(statements[i], 60), SQLSTATE, SQLERRM);
		END;
	END LOOP;
	EXECUTE format('DROP TRIGGER x ON %s', t);
	EXECUTE format('DELETE FROM %s', t);
END $$;
GRANT ALL ON tried TO regress_stranger;
CREATE FUNCTION attach_all(functions regprocedure[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	f regprocedure;
	t text;
	shape text;
BEGIN
	FOREACH f IN ARRAY functions LOOP
		FOREACH t IN ARRAY '{t1,t2,t3,t4,t5,t6,t7,t8,t9,t10,theirs.domain,pg_temp.identity,pg_temp.conflict}'::text[] LOOP
			FOREACH shape IN ARRAY ARRAY[
				'CREATE TRIGGER x BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s',
				'CREATE TRIGGER x AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s',
				'CREATE TRIGGER x BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s',
				'CREATE TRIGGER x AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s']
			LOOP
				PERFORM attach(f, t, shape);
			END LOOP;
		END LOOP;
		-- in odd ways
		FOREACH shape IN ARRAY ARRAY[
			'CREATE TRIGGER x BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION %s',
			'CREATE TRIGGER x BEFORE UPDATE OF name ON %s FOR EACH ROW EXECUTE FUNCTION %s',
			'CREATE TRIGGER x AFTER UPDATE OF name ON %s FOR EACH ROW EXECUTE FUNCTION %s',
			'CREATE CONSTRAINT TRIGGER x AFTER INSERT OR UPDATE OR DELETE ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION %s',
			'CREATE TRIGGER x AFTER INSERT ON %s REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION %s',
			'CREATE TRIGGER x AFTER UPDATE ON %s REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION %s']
		LOOP
			PERFORM attach(f, 't1', shape);
		END LOOP;
		FOR i IN 1 .. 8 LOOP
			PERFORM attach(f, 'v' || i, 'CREATE TRIGGER x INSTEAD OF INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s');
		END LOOP;
	END LOOP;
END $$;
-- Only those of the guard can be attached by anybody: else the owner of a guarded table could not create a partition.
SELECT own AS for_anybody FROM own(true) WHERE has_function_privilege('regress_stranger', own, 'EXECUTE');
SET ROLE regress_stranger;
SELECT count(attach(own, 't1', 'CREATE TRIGGER x BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s')) > 10 AS many FROM own(true) WHERE NOT has_function_privilege(own, 'EXECUTE');
RESET ROLE;
SELECT state, count(*) = (SELECT count(*) FROM own(true) WHERE own::text NOT LIKE 'ownership.guard%') AS all_of_them FROM tried GROUP BY 1;
TRUNCATE tried;
SET ROLE regress_stranger;
SELECT attach_all(ARRAY(SELECT f FROM own(true) f WHERE has_function_privilege(f, 'EXECUTE')));
RESET ROLE;
SELECT split_part(function, '(', 1) AS function, state, count(*) > 10 AS many FROM tried WHERE state NOT LIKE 'not made: %' GROUP BY 1, 2, function ORDER BY 1, 2;
SELECT state() = :'before' AS unchanged;
TRUNCATE tried;
-- A superuser can attach the others, too: then they say so.
SET check_function_bodies = off;
SELECT attach_all(ARRAY(SELECT own(true)));
RESET check_function_bodies;
SELECT state, message ~ 'was not called by' AS protocol, count(DISTINCT function) = (SELECT count(*) FROM own(true) f JOIN pg_proc p ON p.oid = f AND p.prorettype = 'trigger'::regtype) AS all_of_them
	FROM tried WHERE state NOT LIKE 'not made: %' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT state() = :'before' AS unchanged;
TRUNCATE tried;
-- also on the extension's own tables, where they do not belong
SELECT count(attach(own, t, 'CREATE TRIGGER x BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s')) > 10 AS many FROM own(true), unnest('{ownership.former_column,ownership.bound_role}'::text[]) t
	WHERE own::text !~ '^ownership\.(guard|another_hub)';
SELECT state, count(DISTINCT function) = (SELECT count(*) FROM own(true) f JOIN pg_proc p ON p.oid = f AND p.prorettype = 'trigger'::regtype WHERE f::text !~ '^ownership\.(guard|another_hub)') AS all_of_them
	FROM tried WHERE state NOT LIKE 'not made: %' AND state <> '00000' GROUP BY 1 ORDER BY 1;
-- called as what they are not
SELECT ownership.domain_edit();
SELECT ownership.guard_amend();
SELECT ownership.ddl_end();
CREATE EVENT TRIGGER regress_odd ON table_rewrite EXECUTE FUNCTION ownership.ddl_end();
CREATE EVENT TRIGGER regress_odd_too ON ddl_command_start EXECUTE FUNCTION ownership.ddl_drop();
CREATE TABLE odd ();
DROP EVENT TRIGGER regress_odd_too;
ALTER TABLE t9 ALTER x TYPE text;
DROP EVENT TRIGGER regress_odd;

DROP OWNED BY regress_stranger CASCADE;
DROP TABLE tried, product;
DROP FUNCTION state(), own(boolean), call(regprocedure, text[]), worst(regtype), names(text), attach(regprocedure, text, text), attach_all(regprocedure[]);
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_stranger;
