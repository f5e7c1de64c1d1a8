# A dump of a hub restores, as an ordinary dump does, to the same rows, the
# same map and a guard that holds; and the extension can be dropped again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();

my @map = qw(system identity domain field declared_access mirrored_table mirrored_column row_owner conflict history pin handover);
my @data = qw(product orders land_erp.item stock);

sub table { return sql($_[0], $_[1], "\\copy (SELECT * FROM $_[2] t ORDER BY t::text COLLATE \"C\") TO STDOUT (FORMAT csv)") }

sub guards
{
	my ($node, $db) = @_;
	return sql($node, $db, q{
		SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
		WHERE tgname LIKE '%ownership%' ORDER BY tgrelid::regclass::text COLLATE "C", tgname});
}

sql($hub, 'postgres', q{
	CREATE DATABASE integration;
	CREATE ROLE erp_app LOGIN;
	CREATE ROLE crm_app LOGIN});

# The filter needs a function, which a restore makes before or after the map,
# whatever pg_dump thinks best.
sql($hub, 'integration', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, note text DEFAULT 'none', seen timestamptz DEFAULT clock_timestamp());
	CREATE FUNCTION before_checkout(status text) RETURNS boolean LANGUAGE sql IMMUTABLE
		AS $$SELECT status IN ('cart', 'checkout')$$;
	CREATE TABLE orders (id int PRIMARY KEY, status text, sku text REFERENCES product);
	CREATE SCHEMA land_erp;
	CREATE TABLE land_erp.item (id int PRIMARY KEY, price numeric);
	CREATE TABLE stock (site text, sku text, qty int, PRIMARY KEY (site, sku)) PARTITION BY LIST (site);
	CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
	CREATE TABLE stock_b (qty int, sku text NOT NULL, site text NOT NULL);
	ALTER TABLE stock ATTACH PARTITION stock_b FOR VALUES IN ('b');
	GRANT ALL ON ALL TABLES IN SCHEMA public TO erp_app, crm_app;

	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app', title => 'The "ERP"; all of it');
	SELECT ownership.add_system('crm', 'crm', role => 'crm_app');
	UPDATE ownership.domain SET policy = 'keep' WHERE name = 'price';
	SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{crm}', domain => 'price', rationale => E'decided,\n"at last"');
	SELECT ownership.assign('product', '{note}', 'crm', writers => '{erp}');
	SELECT ownership.assign('orders', '{id,status}', 'erp');
	SELECT ownership.assign_rows('orders', '{status}', 'crm', $$public.before_checkout(status)$$);
	SELECT ownership.assign_rows('orders', '{status}', NULL, $$status = 'lost'$$);
	SELECT ownership.add_tables('land_erp.*', source => 'erp');
	SELECT ownership.assign('stock', '{sku,qty}', 'erp');
	UPDATE ownership.field SET key = false WHERE entity = 'stock' AND name = 'sku';
	CREATE SUBSCRIPTION hub_crm CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);
	SELECT ownership.identify('crm', subscription => 'hub_crm', strict => true);
	-- what is not there yet
	INSERT INTO ownership.identity (kind, name, system, carrier) VALUES ('role', 'nobody_yet', 'erp', true), ('origin', 'etl', NULL, true);
	INSERT INTO ownership.field (entity, name, owner) VALUES ('later', 'x', 'crm');
	INSERT INTO ownership.mirrored_column VALUES ('public', 'later', 'x', 'later', 'x')});
sql($hub, 'integration', q{
	SET ownership.system = 'erp';
	INSERT INTO product (sku, price) VALUES ('A', 1), ('B', 2);
	INSERT INTO land_erp.item VALUES (1, 1);
	INSERT INTO stock VALUES ('a', 'A', 1), ('b', 'B', 2);
	INSERT INTO orders (id, sku) VALUES (1, 'A'), (2, 'B');
	SET ownership.system = 'crm';
	UPDATE ownership.field SET history = true WHERE (entity, name) = ('product', 'note');
	UPDATE product SET note = 'good';
	-- evidence
	UPDATE product SET price = 9 WHERE sku = 'A';
	DELETE FROM product WHERE sku = 'B';
	RESET ownership.system;
	SET ownership.enforcement = observe;
	UPDATE orders SET status = CASE id WHEN 1 THEN 'cart' ELSE 'paid' END});
# and what has no feature that writes it here
sql($hub, 'integration', q{
	INSERT INTO ownership.history (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
	VALUES ('public', 'product', '{"sku": "A"}', 'UPDATE', 'crm', 'written', '{note}', '{"note": "none"}', '{"note": null}');
	INSERT INTO ownership.pin (table_schema, table_name, row_key, column_name, value, pinned_by, ended_at)
	VALUES ('public', 'product', '{"sku": "gone"}', 'price', E'1\n', 'me', NULL), ('public', 'product', '{"sku": "A"}', 'price', NULL, 'me', now());
	INSERT INTO ownership.handover (entity, field, from_system, to_system, at, done_at) VALUES ('product', 'price', 'erp', 'crm', '2020-01-01', '2020-01-02');
	INSERT INTO ownership.feed_column VALUES (1, 'product'::regclass, '{sku}')});
is(sql($hub, 'integration', 'SELECT outcome, count(*) FROM ownership.conflict GROUP BY 1 ORDER BY 1'),
	"discarded|1\nkept|1\nobserved|2", 'there is evidence to dump');
is(sql($hub, 'integration', 'SELECT stored, proposed, count(*) FROM ownership.history GROUP BY 1, 2 ORDER BY 3 DESC'),
	qq({"note": "none"}|{"note": "good"}|2\n{"note": "none"}|{"note": null}|1), 'and history');
isnt(error_as($hub, 'integration', 'crm_app', q{UPDATE orders SET status = 'x' WHERE id = 2}), '', 'the guard holds here');
# what waits for its row
my $waits = q{SELECT relation, row_key, column_name, system, value, outcome, since, until, why FROM ownership.waiting};
sql($hub, 'integration', q{
	INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, outcome, columns, stored, proposed, problem) VALUES
	('public', 'product', '{"sku": "C"}', 'INSERT', 'crm', 'crm_app', 'parked', '{note}', NULL, '{"note": null}', 'it does not fit'),
	('public', 'product', '{"sku": "D"}', 'DELETE', 'erp', 'erp_app', 'remembered', '{note}', '{"note": "mine"}', NULL, NULL);
	UPDATE ownership.mirrored_table SET remember = '30 days' WHERE table_name = 'product'});
my $waiting = sql($hub, 'integration', $waits);
like($waiting, qr/"C".*parked.*\n.*"D".*\|mine\|remembered\|/, 'values wait');

my %before = map { $_ => table($hub, 'integration', $_) } @data, map { "ownership.$_" } @map, 'sheet';
my $guards = guards($hub, 'integration');
my $metrics = sql($hub, 'integration', q{SELECT to_regclass('ownership.metrics') IS NOT NULL}) eq 't';
my $last = sql($hub, 'integration', 'SELECT max(id) FROM (SELECT id FROM ownership.conflict UNION SELECT id FROM ownership.history) i');
like($guards, qr/^stock_b\|zzzz_ownership_amend\|A$/m, 'its guard is armed everywhere');

# what a restored hub must be; $erp and $crm are roles that write as these
sub check
{
	my ($node, $db, $what, $erp, $crm) = @_;

	is(table($node, $db, $_), $before{$_}, "$what: $_ is the same")
	  foreach sort keys %before;
	is(guards($node, $db), $guards, "$what: the same guard, armed as it was");
	is(sql($node, $db, q{SELECT relation FROM ownership.guards WHERE guarded ORDER BY 1}),
		"land_erp.item\norders\nproduct\nstock", "$what: guards says so");
	is(sql($node, $db, q{SELECT count(*) FROM ownership.conflict}), '6', "$what: no row went through the guard");
	is(sql($node, $db, $waits), $waiting, "$what: what waits waits on");

	is(sql($node, $db, q{SELECT count(*) FROM ownership.feed_column}), '0', "$what: what feeds publish is known in no other database");
	# evidence is for those to whom it is granted; the map, and counts, are for all
	is(psql_as($node, $db, $erp, q{SELECT string_agg(t || ' ' || has_table_privilege('ownership.' || t, 'SELECT'), ', ' ORDER BY t)
		FROM unnest('{conflict,handover,history,metrics,pin,feed_column}'::text[]) t WHERE to_regclass('ownership.' || t) IS NOT NULL}),
		join(', ', 'conflict false', 'feed_column false', 'handover true', 'history false', ($metrics ? 'metrics true' : ()), 'pin false'), "$what: who reads what");
	like(sql($node, $db, q{INSERT INTO ownership.pin (table_schema, table_name, row_key, column_name, pinned_by) VALUES ('public', 'x', '{}', 'y', 'z') RETURNING id > (SELECT max(id) FROM ownership.pin)}),
		qr/^t/, "$what: pins go on with new ids");
	# the superuser is nobody here
	my $super = sql($node, $db, 'SELECT current_user');
	like(error_as($node, $db, $super, q{UPDATE product SET note = 'x'}), qr/ERROR:  42501: unidentified/, "$what: nobody is refused");
	like(error_as($node, $db, $super, q{TRUNCATE orders}), qr/ERROR:  42501/, "$what: TRUNCATE, too");
	like(error_as($node, $db, $super, q{INSERT INTO stock_b VALUES (1, 'C', 'b')}), qr/ERROR:  42501/, "$what: in a partition, too");
	like(error_as($node, $db, $erp, q{UPDATE orders SET status = 'x' WHERE id = 1}), qr/ERROR:  42501: system "erp"/, "$what: row owners hold");
	is(psql_as($node, $db, $erp, q{UPDATE orders SET status = 'shipped' WHERE id = 2 RETURNING status}), 'shipped', "$what: for both");
	is(psql_as($node, $db, $crm, q{UPDATE product SET price = 5, note = 'crm' WHERE sku = 'A' RETURNING price, note}), '1|crm',
		"$what: keep keeps");
	is(sql($node, $db, "SELECT count(*) FROM ownership.conflict WHERE id > $last"), '1', "$what: evidence goes on with new ids");
	# refused before the dump
	psql_as($node, $db, $crm, q{UPDATE product SET price = 5 WHERE sku = 'A'});
	is(sql($node, $db, "SELECT count(*) FROM ownership.conflict WHERE id > $last"), '1', "$what: once");
	# by the first of these writes; its evidence has another number
	is(sql($node, $db, "SELECT count(*), bool_or(id IN (SELECT id FROM ownership.conflict)) FROM ownership.history WHERE id > $last"), '1|f', "$what: so does history");
	# the map is alive
	sql($node, $db, q{UPDATE ownership.field SET owner = 'crm' WHERE entity = 'product' AND name = 'price'});
	is(psql_as($node, $db, $crm, q{UPDATE product SET price = 5 WHERE sku = 'A' RETURNING price}), '5', "$what: a change of the map takes effect");

	# and the extension goes, with its guard, and leaves the tables
	my %rows = map { $_ => table($node, $db, $_) } @data;
	sql($node, $db, 'DROP EXTENSION ownership');
	is(guards($node, $db), '', "$what: dropped, nothing is guarded");
	is(table($node, $db, $_), $rows{$_}, "$what: $_ is still there") foreach @data;
	is(psql_as($node, $db, $crm, q{UPDATE orders SET status = 'free' RETURNING status}), "free\nfree", "$what: and anyone may write");
}

# by pg_restore, in parallel
sub restore
{
	my ($node, @options) = @_;
	$node->command_ok([ 'pg_restore', '-e', @options, @$_, '-d', 'custom', "$dir/custom.dump" ], "pg_restore @$_")
	  foreach [ '--section=pre-data' ], [ '--section=data' ], [ '--section=post-data', '-j', '4' ];
}

# plain, into an empty database of the same cluster
$hub->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'integration' ], 'pg_dump, plain');
sql($hub, 'postgres', 'CREATE DATABASE plain');
$hub->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'plain' ], 'restored by psql');
is(sql($hub, 'plain', 'SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()'),
	'hub_crm', 'the subscription is there');
check($hub, 'plain', 'plain', 'erp_app', 'crm_app');

# custom, in parallel, into the same cluster, and into one without roles and subscriptions
$hub->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", 'integration' ], 'pg_dump, custom');
sql($hub, 'postgres', 'CREATE DATABASE custom');
restore($hub);
check($hub, 'custom', 'custom', 'erp_app', 'crm_app');

my $new = new_node('new', preload => 0);
sql($new, 'postgres', 'CREATE DATABASE custom');
restore($new, '-O', '-x', '--no-subscriptions');
is(sql($new, 'custom', q{SELECT count(*) FROM pg_roles WHERE rolname LIKE '%_app'}), '0', 'they are missing');
is(sql($new, 'custom', q{SELECT detail FROM ownership.risks WHERE risk = 'unknown_identity' ORDER BY detail COLLATE "C"}),
	"Role crm_app is not there.\nRole erp_app is not there.\nRole nobody_yet is not there.\nSubscription hub_crm is not there.",
	'risks tells of it');
# roles of other names stand in for them
sql($new, 'custom', q{
	CREATE ROLE a LOGIN;
	CREATE ROLE b LOGIN;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO a, b});
my $identities = table($new, 'custom', 'ownership.identity');
is($identities, $before{'ownership.identity'}, 'the identities are the same');
sql($new, 'custom', q{SELECT ownership.identify('erp', role => 'a'), ownership.identify('crm', role => 'b')});
$before{'ownership.identity'} = table($new, 'custom', 'ownership.identity');
check($new, 'custom', 'new cluster', 'a', 'b');

# A restore of data alone into a guarded database is a write like any other,
# unless the guard is off.
$hub->command_ok([ 'pg_dump', '--data-only', '-t', 'orders', '-f', "$dir/data.sql", 'integration' ], 'pg_dump, data only');
sql($hub, 'integration', 'SET ownership.enforcement = off; TRUNCATE orders');
$hub->command_fails([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data.sql", 'integration' ], 'the guard refuses it');
{
	local $ENV{PGOPTIONS} = '-c ownership.enforcement=off';
	$hub->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data.sql", 'integration' ], 'and lets it through when off');
}
is(table($hub, 'integration', 'orders'), $before{orders}, 'the rows are back');

$new->stop;
$hub->stop;
done_testing();
