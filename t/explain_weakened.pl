# Risks that only a server shows: settings in its configuration, what was
# really seen, and what PostgreSQL's defaults make of the views.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

my $risks = q{SELECT detail FROM ownership.risks WHERE risk = 'enforcement_off'};
my $configured = q{ownership.enforcement is off in the server's configuration: every write goes through, and nothing is recorded.};

#
# The server's configuration, whether or not the library is preloaded
#
foreach my $preload (0, 1)
{
	my $how = $preload ? 'preloaded' : 'not preloaded';
	my $node = new_node("weak$preload", preload => $preload);
	my $reload = sub {
		$node->reload;
		# a session that begins later has read it
		wait_for($node, 'postgres', "SELECT coalesce(current_setting('ownership.enforcement', true), '') = '$_[0]'");
	};

	sql($node, 'postgres', q{
		CREATE ROLE viewer LOGIN;
		CREATE EXTENSION ownership;
		CREATE TABLE product (id int PRIMARY KEY, price numeric);
		SELECT ownership.add_system('erp', 'erp'), ownership.assign('product', NULL, 'erp')});
	is(psql_as($node, 'postgres', 'viewer', $risks), '', "$how: as it should be");

	$node->append_conf('postgresql.conf', 'ownership.enforcement = off');
	$reload->('off');
	is(psql_as($node, 'postgres', 'viewer', $risks), $configured, "$how: in postgresql.conf");
	like(sql($node, 'postgres', q{SELECT advice FROM ownership.risks WHERE risk = 'enforcement_off'}), qr/meant to stay: correct it there, or ALTER SYSTEM RESET ownership\.enforcement, and reload/, "$how: and what to do");
	is(sql($node, 'postgres', q{SELECT problems FROM ownership.guards}),
		q({"ownership.enforcement is off in the server's configuration"}), "$how: guards say so");
	like(sql($node, 'postgres', 'SELECT ownership.page()'), qr/1 of 1<small>but the map is not enforced: <bdi>ownership\.enforcement is off in the server&#39;s configuration/,
		"$how: so does the page's head");
	like(error_as($node, 'postgres', 'viewer', 'SELECT ownership.assert_clean()'), qr/ERROR:  P0004: the ownership map has 1 open risk of severity high/, "$how: and the gate");
	is(sql($node, 'postgres', "SET ownership.enforcement = on; $risks"), $configured, "$how: whatever the session that looks has set");
	sql($node, 'postgres', 'ALTER DATABASE postgres SET ownership.enforcement = on');
	is(psql_as($node, 'postgres', 'viewer', $risks), '', "$how: a database's setting goes before it");
	sql($node, 'postgres', 'ALTER DATABASE postgres RESET ALL');

	# ALTER SYSTEM goes before the file
	sql($node, 'postgres', q{ALTER SYSTEM SET ownership.enforcement = 'on'});
	$reload->('on');
	is(psql_as($node, 'postgres', 'viewer', $risks), '', "$how: ALTER SYSTEM says otherwise");
	sql($node, 'postgres', q{ALTER SYSTEM SET ownership.enforcement = 'observe'});
	$reload->('observe');
	like(psql_as($node, 'postgres', 'viewer', $risks), qr/^ownership\.enforcement is observe in the server's configuration: every write goes through, and is only recorded\.$/,
		"$how: by ALTER SYSTEM");
	sql($node, 'postgres', q{ALTER SYSTEM SET ownership.enforcement = 'on'});
	$reload->('on');
	{
		local $ENV{PGOPTIONS} = '-c ownership.enforcement=off';
		is(sql($node, 'postgres', $risks), '', "$how: what a session brings is its own business");
	}
	# with the command that starts the server
	$node->stop;
	$node->adjust_conf('postgresql.auto.conf', 'ownership.enforcement', undef);
	$node->adjust_conf('postgresql.conf', 'ownership.enforcement', undef);
	command_ok([ 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-c ownership.enforcement=off', 'start' ], "$how: started with -c");
	is(psql_as($node, 'postgres', 'viewer', $risks), $configured, "$how: by the command");
	command_ok([ 'pg_ctl', '-w', '-D', $node->data_dir, '-m', 'fast', 'stop' ], "$how: stopped");
}

#
# What was seen in fact
#
my $hub = new_node('hub', preload => 1, activity => 1);
sql($hub, 'postgres', q{
	CREATE ROLE erp_app LOGIN; CREATE ROLE crm_app LOGIN; CREATE ROLE shop_app LOGIN;
	CREATE EXTENSION ownership;
	CREATE TABLE product (id int PRIMARY KEY, price numeric, note text, mood text);
	CREATE SCHEMA shop;
	CREATE TABLE shop.variant (id int PRIMARY KEY, price numeric, size text);
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	GRANT ALL ON product, shop.variant TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('crm', 'crm', role => 'crm_app'),
		ownership.add_system('shop', 'storefront', role => 'shop_app');
	SELECT ownership.assign('product', NULL, 'erp'), ownership.assign('product', '{note}', 'erp', policy => 'fill'),
		ownership.add_tables('shop.*', source => 'shop'), ownership.assign('shop.variant', '{price}', 'erp');
	UPDATE ownership.field SET owner = NULL, local = true WHERE name = 'mood'});
my $quarrels = q{SELECT risk, entity || '.' || field, systems FROM ownership.risks WHERE risk IN ('contested', 'undeclared_writer', 'silent_owner') ORDER BY 1, 2};
sub quarrels
{
	sql($hub, 'postgres', 'SELECT ownership.flush()');
	return sql($hub, 'postgres', $quarrels);
}
psql_as($hub, 'postgres', 'erp_app', q{INSERT INTO product VALUES (1, 1, NULL, NULL), (2, 1, NULL, NULL), (3, 1, NULL, NULL); UPDATE product SET note = 'e' WHERE id = 3});
psql_as($hub, 'postgres', 'crm_app', q{UPDATE product SET note = 'c' WHERE id < 3; UPDATE product SET mood = 'good'});
psql_as($hub, 'postgres', 'shop_app', q{UPDATE product SET mood = 'better'});
is(quarrels(), '', 'filling in blanks, and what is local, is no quarrel');
psql_as($hub, 'postgres', 'shop_app', q{INSERT INTO shop.variant (id, size) VALUES (1, 'L')});
is(quarrels(), '', 'nor is what a source writes of its own');
psql_as($hub, 'postgres', 'shop_app', q{UPDATE shop.variant SET price = 2});
is(quarrels(), 'contested|shop.variant.price|{erp,shop}', 'a source that overwrites what is only there');
psql_as($hub, 'postgres', 'crm_app', q{UPDATE product SET note = 'x' WHERE id = 3});
is(quarrels(), "contested|shop.variant.price|{erp,shop}\nundeclared_writer|product.note|{crm}",
	'whoever tries to overwrite where it may fill');
sql($hub, 'postgres', q{UPDATE ownership.field SET policy = 'observe' WHERE name = 'note'});
psql_as($hub, 'postgres', 'crm_app', q{UPDATE product SET note = 'x' WHERE id = 3; UPDATE product SET note = 'y' WHERE id = 3});
is(quarrels(), "contested|product.note|{crm,erp}\ncontested|shop.variant.price|{erp,shop}", 'and whoever overwrites');

#
# Objects of 0.1.0, which do not know of this, and their update
#
sql($hub, 'postgres', 'CREATE DATABASE older');
my (undef, undef, $said) = $hub->psql('older', q{
	CREATE EXTENSION ownership VERSION '0.1.0';
	CREATE TABLE product (id int PRIMARY KEY, price numeric, note text);
	SELECT ownership.add_system('erp', 'erp'), ownership.assign('product', NULL, 'erp');
	ALTER TABLE product DISABLE TRIGGER ALL;
	ALTER TABLE product ENABLE TRIGGER ALL;
	ALTER TABLE product DROP note, ADD remark text;
	SELECT ownership.unguard('product'), ownership.guard('product')}, on_error_stop => 1);
is($said, '', 'objects of 0.1.0: DDL goes on');
like(sql($hub, 'older', 'SELECT ownership.page()'), qr/1 of 1<small>the map is enforced on each/, 'objects of 0.1.0: so does the page');
is(sql($hub, 'older', q{SELECT count(*) FROM ownership.map_history WHERE map_table = 'guard'}), '0', 'objects of 0.1.0: nothing is recorded of the guard');
sql($hub, 'older', 'ALTER EXTENSION ownership UPDATE');
sql($hub, 'older', 'ALTER TABLE product DROP price, ADD list_price numeric; ALTER TABLE product DISABLE TRIGGER USER; ALTER TABLE product ENABLE TRIGGER USER');
is(sql($hub, 'older', q{SELECT column_name FROM ownership.risks WHERE risk = 'renamed'}), 'price', 'updated: a column that may have been renamed');
is(sql($hub, 'older', q{SELECT string_agg(new ->> 'state', ', ' ORDER BY id) FROM ownership.map_history WHERE map_table = 'guard'}), 'away, in place', 'updated: a guard that was away');

#
# With PostgreSQL's defaults nothing is compiled for 169 tables, whether or not
# their statistics are up to date.
#
is(sql($hub, 'postgres', 'SHOW jit'), 'on', 'JIT is on, as it is by default');
my $threshold = sql($hub, 'postgres', 'SHOW jit_above_cost');
foreach my $analyzed (0, 1)
{
	my $what = $analyzed ? 'analyzed' : 'not analyzed';
	my $db = "large$analyzed";

	sql($hub, 'postgres', "CREATE DATABASE $db");
	sql($hub, $db, q{
		CREATE EXTENSION ownership;
		SELECT ownership.add_system(s, 'other') FROM unnest('{erp,pim,crm,shop}'::text[]) s;
		CREATE SCHEMA land; CREATE SCHEMA hub;
		DO $$ DECLARE r record; BEGIN
			FOR r IN SELECT oid::regclass AS t FROM pg_class WHERE relnamespace = 'ownership'::regnamespace AND relkind = 'r' LOOP
				EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', r.t);
			END LOOP;
			FOR i IN 1..169 LOOP
				EXECUTE format('CREATE TABLE %s.%I (id int PRIMARY KEY, price numeric, cost numeric, stock int, title text, color text, size text, note text)',
					CASE WHEN i % 2 = 0 THEN 'hub' ELSE 'land' END, 'table_' || i);
			END LOOP;
		END $$});
	sql($hub, $db, q{
		SELECT ownership.add_tables('land.*', source => 'pim', readers => '{shop}'), ownership.add_tables('hub.*', owner => 'erp', readers => '{shop}');
		UPDATE ownership.field SET owner = NULL WHERE hashtext(entity || name) % 20 = 0;
		INSERT INTO ownership.declared_access SELECT entity, name, 'crm', 'write' FROM ownership.field WHERE hashtext(name || entity) % 10 = 0;
		INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, kept, first_seen, last_read, last_write)
		SELECT table_schema, table_name, column_name, s, 5, 3, hashtext(column_name) % 2 + 1, now(), now(), now()
		FROM ownership.mirrored_column, unnest('{erp,pim,crm,shop,NULL}'::text[]) s;
		INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
		SELECT 'hub', 'table_' || 2 + 2 * (g % 80), jsonb_build_object('id', (g / 80)::text), 'UPDATE', 'crm', 'kept', '{title}', '{"title": "a"}', '{"title": "b"}'
		FROM generate_series(1, 5000) g});
	sql($hub, $db, 'ANALYZE') if $analyzed;
	foreach my $view (split ' ', sql($hub, $db, q{
		SELECT string_agg(oid::regclass::text, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'ownership'::regnamespace AND relkind = 'v'}))
	{
		my $plan = decode_json(sql($hub, $db, "EXPLAIN (FORMAT json) SELECT * FROM $view"))->[0];

		cmp_ok($plan->{Plan}{'Total Cost'}, '<', $threshold, "$what: $view is not worth it");
	}
	my $run = decode_json(sql($hub, $db, 'EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM ownership.risks'))->[0];
	is($run->{JIT}{Functions} // 0, 0, "$what: nothing is compiled for the risks");
	# what functions ask
	SKIP:
	{
		my (undef, undef, $log) = $hub->psql($db, q{
			LOAD 'auto_explain';
			SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;
			SET auto_explain.log_level = log; SET client_min_messages = log;
			SELECT length(ownership.page()), length(ownership.diagram());
			SELECT count(*) FROM ownership.suggest();
			SELECT count(*) FROM ownership.grants();
			SELECT count(*) FROM ownership.disagreements;
			DO $$ BEGIN PERFORM ownership.assert_clean(); EXCEPTION WHEN assert_failure THEN NULL; END $$});
		skip 'auto_explain is not installed', 1 if $log =~ /could not access file/;
		cmp_ok(scalar(() = $log =~ /duration: /g), '>=', 20, "$what: the functions' queries are seen");
		my ($jit) = $log =~ /(Query Text: (?:(?!Query Text: ).)*?\n\s*JIT:)/s;
		is(substr($jit // '', 0, 300), '', "$what: and nothing is compiled for them");
	}
}
done_testing();
