# Every way of dumping and restoring a hub gives the same rows, the same map
# and a guard that holds; the names of the restored map are bound to the
# restored tables, so that it follows DDL there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 0);
my $dir = PostgreSQL::Test::Utils::tempdir();

my @map = qw(system identity domain field declared_access mirrored_pattern mirrored_table mirrored_column row_owner conflict history);
my @data = qw(product orders land_erp.item stock base);

sql($hub, 'postgres', q{
	CREATE DATABASE integration;
	CREATE ROLE erp_app LOGIN;
	CREATE ROLE crm_app LOGIN});
sql($hub, 'integration', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, note text DEFAULT 'none');
	CREATE TABLE orders (id int PRIMARY KEY, status text, sku text REFERENCES product);
	CREATE SCHEMA land_erp;
	CREATE TABLE land_erp.item (id int PRIMARY KEY, price numeric);
	CREATE TABLE stock (site text, sku text, qty int, PRIMARY KEY (site, sku)) PARTITION BY LIST (site);
	CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
	CREATE TABLE base (id int PRIMARY KEY, x int);
	CREATE TABLE child () INHERITS (base);

	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app');
	SELECT ownership.add_system('crm', 'crm', role => 'crm_app');
	UPDATE ownership.domain SET natural_owner = '{erp}', policy = 'keep' WHERE name = 'price';
	SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{crm}', domain => 'price');
	SELECT ownership.assign('product', '{note}', 'crm', writers => '{erp}');
	SELECT ownership.assign('orders', '{id,status}', 'erp');
	SELECT ownership.assign_rows('orders', '{status}', 'crm', $$status IN ('cart', 'checkout')$$);
	SELECT ownership.add_tables('land_erp.*', source => 'erp', readers => '{crm}', exclude => '{land_erp.tmp*}');
	SELECT ownership.assign('stock', '{sku,qty}', 'erp'), ownership.assign('base', NULL, 'erp');
	-- what came later, and what is not there
	CREATE TABLE stock_b PARTITION OF stock FOR VALUES IN ('b');
	CREATE TABLE land_erp.late (id int PRIMARY KEY);
	INSERT INTO ownership.mirrored_table VALUES ('public', 'absent', 'crm');
	ALTER TABLE product RENAME TO product2;
	ALTER TABLE product2 RENAME TO product;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO erp_app, crm_app});
sql($hub, 'integration', q{
	SET ownership.system = 'erp';
	INSERT INTO product (sku, price) VALUES ('A', 1), ('B', 2);
	INSERT INTO land_erp.item VALUES (1, 1);
	INSERT INTO stock VALUES ('a', 'A', 1), ('b', 'B', 2);
	INSERT INTO orders (id, sku) VALUES (1, 'A'), (2, 'B');
	INSERT INTO base VALUES (1, 1);
	INSERT INTO child VALUES (2, 2);
	UPDATE ownership.field SET history = true WHERE (entity, name) = ('orders', 'status');
	UPDATE orders SET status = 'new' WHERE id = 1;
	SET ownership.system = 'crm';
	UPDATE product SET price = 9 WHERE sku = 'A'});

sub table { return sql($_[0], $_[1], "\\copy (SELECT * FROM $_[2] t ORDER BY t::text COLLATE \"C\") TO STDOUT (FORMAT csv)") }

sub guards
{
	my ($node, $db) = @_;
	return sql($node, $db, q{
		SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
		WHERE tgname LIKE '%ownership%' ORDER BY tgrelid::regclass::text COLLATE "C", tgname});
}

my %before = map { $_ => table($hub, 'integration', $_) } @data, map { "ownership.$_" } @map;
my $guards = guards($hub, 'integration');
is(sql($hub, 'integration', 'SELECT count(*) FROM ownership.conflict'), '1', 'there is evidence');
is(sql($hub, 'integration', 'SELECT proposed FROM ownership.history'), '{"status": "new"}', 'and history');

sub psql_file
{
	my ($node, $db, $file, $what, @options) = @_;
	$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', @options, '-f', $file, $db ], $what);
}

# what a restored hub must be; without: tables that were left out
sub check
{
	my ($db, $what, @without) = @_;

	foreach my $table (sort keys %before)
	{
		next if grep { $_ eq $table } @without;
		is(table($hub, $db, $table), $before{$table}, "$what: $table is the same");
	}
	my $expected = join "\n", grep { my ($t) = split /\|/; !grep { $_ eq $t } @without } split /\n/, $guards;
	is(guards($hub, $db), $expected, "$what: the same guard, armed as it was");
	my $bound = sql($hub, $db, q{
		SELECT table_schema, table_name, relid = coalesce(to_regclass(format('%I.%I', table_schema, table_name))::oid, 0), guarded
		FROM ownership.mirrored_table LEFT JOIN ownership.bound_table USING (table_schema, table_name) ORDER BY 1, 2});
	my $wanted = join "\n", map { my ($s, $t) = split /\./; "$s|$t|t|" . ($t eq 'absent' || grep({ $_ eq $t } @without) ? 'f' : 't') }
	  qw(land_erp.item land_erp.late public.absent public.base public.orders public.product public.stock);
	is($bound, $wanted, "$what: names are bound to the restored tables");

	# it lives
	is(sql($hub, $db, q{SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'ownership%' AND evtenabled = 'A'}), '3', "$what: the event triggers are there");
	like(error_as($hub, $db, 'crm_app', q{UPDATE orders SET status = 'x' WHERE id = 1}), qr/ERROR:  42501: system "crm"/, "$what: the guard holds");
	sql($hub, $db, q{
		ALTER TABLE stock RENAME TO level;
		ALTER TABLE level RENAME qty TO quantity;
		CREATE TABLE level_c PARTITION OF level FOR VALUES IN ('c');
		CREATE TABLE land_erp.more (id int PRIMARY KEY);
		BEGIN;
		ALTER TABLE orders RENAME TO orders_old;
		CREATE TABLE orders AS SELECT * FROM orders_old;
		DROP TABLE orders_old;
		COMMIT;
		GRANT ALL ON orders TO crm_app});
	is(sql($hub, $db, q{SELECT relation FROM ownership.guards WHERE guarded AND relation IN ('level', 'land_erp.more', 'orders') ORDER BY 1}),
		"land_erp.more\nlevel\norders", "$what: map and guard follow DDL");
	like(error_as($hub, $db, 'crm_app', q{UPDATE orders SET status = 'x' WHERE id = 1}), qr/ERROR:  42501: system "crm"/, "$what: it holds still");
	is(sql($hub, $db, q{SELECT count(*) FROM ownership.field WHERE entity = 'land_erp.more' AND owner = 'erp'}), '1', "$what: patterns work");

	sql($hub, $db, 'DROP EXTENSION ownership');
	is(guards($hub, $db), '', "$what: the extension goes with its guard");
	is(sql($hub, $db, q{SELECT to_regnamespace('ownership'), count(*) FROM pg_event_trigger}), '|0', "$what: and with all that was its own");
	is(sql($hub, $db, q{
		SELECT 'function', proname FROM pg_proc WHERE probin LIKE '%ownership'
		UNION ALL SELECT 'dependency', pg_describe_object(classid, objid, objsubid) FROM pg_depend d
			WHERE refclassid = 'pg_extension'::regclass AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.oid = refobjid)
		UNION ALL SELECT 'privilege', objoid::text FROM pg_init_privs
			WHERE classoid = 'pg_class'::regclass AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objoid)
		UNION ALL SELECT 'setting', setconfig::text FROM pg_db_role_setting WHERE setconfig::text LIKE '%ownership%'}), '', "$what: nothing is left");
	is(sql($hub, $db, 'SELECT count(*) FROM orders'), '2', "$what: and leaves the tables") unless grep { $_ eq 'orders' } @without;
	sql($hub, 'postgres', "DROP DATABASE $db");
}

sub fresh
{
	my ($db) = @_;
	sql($hub, 'postgres', "CREATE DATABASE $db");
	return $db;
}

# Whole dumps
$hub->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'integration' ], 'pg_dump, plain');
psql_file($hub, fresh('plain'), "$dir/plain.sql", 'restored by psql');
check('plain', 'plain');
psql_file($hub, fresh('single'), "$dir/plain.sql", 'restored in a single transaction', '-1');
check('single', 'single transaction');
$hub->command_ok([ 'pg_dump', '--column-inserts', '-f', "$dir/inserts.sql", 'integration' ], 'pg_dump, inserts');
psql_file($hub, fresh('inserts'), "$dir/inserts.sql", 'restored by psql');
check('inserts', 'inserts');

$hub->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", 'integration' ], 'pg_dump, custom');
$hub->command_ok([ 'pg_restore', '-e', '-1', '-d', fresh('custom'), "$dir/custom.dump" ], 'pg_restore -1');
check('custom', 'custom');
$hub->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/directory", 'integration' ], 'pg_dump, directory');
foreach my $round (1 .. 2)
{
	$hub->command_ok([ 'pg_restore', '-e', '-j', '4', '-d', fresh('directory'), "$dir/directory" ], 'pg_restore -j');
	check('directory', "directory, in parallel, $round");
}

# The rows of the map in any order, such as parallel workers may come to
{
	my ($list) = run_command([ 'pg_restore', '-l', "$dir/custom.dump" ]);
	my @list = grep { /^\d/ } split /\n/, $list;
	my @rows = grep { / TABLE DATA ownership / } @list;
	cmp_ok(scalar @rows, '>=', scalar @map, 'the map is in the list of contents');
	my $last = 0;
	foreach my $i (0 .. $#list) { $last = $i if $list[$i] =~ / TABLE DATA | SEQUENCE SET / }
	my @before = grep { !/ TABLE DATA ownership / } @list[0 .. $last];
	my @after = @list[ $last + 1 .. $#list ];
	foreach my $order ([ 'backwards', reverse sort { ($a =~ /ownership (\S+)/)[0] cmp ($b =~ /ownership (\S+)/)[0] } @rows ],
		[ 'by name', sort { ($a =~ /ownership (\S+)/)[0] cmp ($b =~ /ownership (\S+)/)[0] } @rows ])
	{
		my ($what, @order) = @$order;
		append_to_file("$dir/$what.list", join("\n", @before, @order, @after) . "\n");
		$hub->command_ok([ 'pg_restore', '-e', '-L', "$dir/$what.list", '-d', fresh('reordered'), "$dir/custom.dump" ], "pg_restore, $what");
		check('reordered', $what);
	}
}

# Any order of data and what comes after it that pg_restore -j may come to:
# an entry waits for what it depends on, and for the data of a table that it
# depends on.
sub shuffled
{
	my ($seed) = @_;
	my ($list) = run_command([ 'pg_restore', '-l', '-v', "$dir/custom.dump" ]);
	my (%entry, @before, @waiting, %data);

	foreach (split /\n/, $list)
	{
		if (/^(\d+); /) { push @waiting, { id => $1, line => $_, needs => [] } }
		elsif (/^;\s+depends on: (.*)/) { $waiting[-1]{needs} = [ split / /, $1 ] }
	}
	push @before, (shift @waiting)->{line} while $waiting[0]{line} !~ / TABLE DATA /;
	foreach my $e (@waiting)
	{
		$data{ $e->{needs}[0] } = $e->{id} if $e->{line} =~ / TABLE DATA /;
	}
	foreach my $e (@waiting)
	{
		next if $e->{line} =~ / TABLE DATA /;
		push @{ $e->{needs} }, grep { defined } map { $data{$_} } @{ $e->{needs} };
	}
	srand($seed);
	while (@waiting)
	{
		my %open = map { $_->{id} => 1 } @waiting;
		my @ready = grep { !grep { $open{$_} } @{ $waiting[$_]{needs} } } 0 .. $#waiting;
		push @before, splice(@waiting, $ready[ rand @ready ], 1)->{line};
	}
	return join("\n", @before) . "\n";
}
foreach my $seed (split / /, $ENV{OWNERSHIP_ORDERS} || '1 2 3')
{
	append_to_file("$dir/order$seed.list", shuffled($seed));
	$hub->command_ok([ 'pg_restore', '-e', '-L', "$dir/order$seed.list", '-d', fresh('shuffled'), "$dir/custom.dump" ], "pg_restore, order $seed");
	check('shuffled', "order $seed");
}

# pg_restore -j knows no order between the triggers of a partitioned table and
# the data of its partitions
sql($hub, 'postgres', 'CREATE ROLE table_owner LOGIN');
{
	my ($list) = run_command([ 'pg_restore', '-l', "$dir/custom.dump" ]);
	my @list = grep { /^\d/ } split /\n/, $list;
	my @late = grep { / TABLE DATA public stock_b / } @list;
	my @triggers = grep { / TRIGGER public stock zzzz_ownership_/ } @list;
	is(scalar @late, 1, 'a partition has data');
	is(scalar @triggers, 3, 'the partitioned table has a guard');
	my @rest = grep { my $line = $_; !grep { $_ eq $line } @late, @triggers } @list;
	my ($post) = grep { $rest[$_] =~ / (CONSTRAINT|INDEX) / } 0 .. $#rest;
	append_to_file("$dir/triggers.list", join("\n", @rest[ 0 .. $post - 1 ], @triggers, @late, @rest[ $post .. $#rest ]) . "\n");
	$hub->command_ok([ 'pg_restore', '-e', '-L', "$dir/triggers.list", '-d', fresh('early'), "$dir/custom.dump" ], 'pg_restore, triggers before data');
	check('early', 'triggers before data');

	# half way: who restores may load the partition, everybody else meets the guard
	append_to_file("$dir/half.list", join("\n", @rest[ 0 .. $post - 1 ], @triggers) . "\n");
	$hub->command_ok([ 'pg_restore', '-e', '-L', "$dir/half.list", '-d', fresh('half'), "$dir/custom.dump" ], 'half of it');
	sql($hub, 'half', 'ALTER TABLE stock_b OWNER TO table_owner; GRANT ALL ON stock_b TO crm_app');
	is(sql($hub, 'half', q{SELECT severity, detail FROM ownership.risks WHERE risk = 'unguarded' AND relation LIKE 'stock%'}),
		'high|The guard of stock has a gap: zzzz_ownership_truncate of stock_a is missing; zzzz_ownership_truncate of stock_b is missing.', 'risks tell what is open');
	my $load = q{INSERT INTO stock_b VALUES ('b', 'B', 2)};
	my $restoring = 'SET check_function_bodies = off';
	like(error_as($hub, 'half', 'table_owner', $load), qr/ERROR:  42501: unidentified role "table_owner"/, 'the owner is judged');
	like(error_as($hub, 'half', 'crm_app', "$restoring; $load"), qr/ERROR:  42501: system "crm"/, 'who says that he restores a dump is judged');
	like(error_as($hub, 'half', 'postgres', "$restoring; SET ownership.system = crm; $load"), qr/ERROR:  42501: system "crm"/, 'so is a superuser who is a system');
	psql_as($hub, 'half', 'table_owner', "$restoring; $load");
	is(table($hub, 'half', 'stock_b'), 'b,B,2', 'the owner who restores a dump is not');
	sql($hub, 'half', q{SELECT ownership.guard('stock')});
	$load = q{INSERT INTO stock_b VALUES ('b', 'C', 3)};
	like(error_as($hub, 'half', 'table_owner', "$restoring; $load"), qr/ERROR:  42501: unidentified role "table_owner"/, 'until the guard is whole');
	like(error_as($hub, 'half', 'postgres', "$restoring; $load"), qr/ERROR:  42501: unidentified role "postgres"/, 'nor is a superuser any longer');
	sql($hub, 'postgres', 'DROP DATABASE half');
}

# Sections: data last, too, if the guard is told to stand aside
$hub->command_ok([ 'pg_restore', '-e', "--section=$_", '-j', '2', '-d', $_ eq 'pre-data' ? fresh('sections') : 'sections', "$dir/custom.dump" ], "pg_restore --section=$_")
  foreach qw(pre-data data post-data);
check('sections', 'sections');
{
	local $ENV{PGOPTIONS} = '-c ownership.enforcement=off';
	$hub->command_ok([ 'pg_dump', '--schema-only', '-f', "$dir/schema.sql", 'integration' ], 'pg_dump --schema-only');
	$hub->command_ok([ 'pg_dump', '--data-only', '-f', "$dir/data.sql", 'integration' ], 'pg_dump --data-only');
	psql_file($hub, fresh('halves'), "$dir/schema.sql", 'schema restored');
	is(sql($hub, 'halves', 'SELECT count(*) FROM ownership.field'), '0', 'a schema-only dump has no map');
	psql_file($hub, 'halves', "$dir/data.sql", 'data restored, with the guard off');
	check('halves', 'schema and data');
}
$hub->command_ok([ 'pg_dump', '--data-only', '--disable-triggers', '-f', "$dir/disable.sql", 'integration' ], 'pg_dump --data-only --disable-triggers');
psql_file($hub, fresh('halves'), "$dir/schema.sql", 'schema restored');
psql_file($hub, 'halves', "$dir/disable.sql", 'data restored, with triggers disabled');
is(sql($hub, 'halves', q{SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE proname IN ('map_changed', 'mirrored_table_bind') AND tgenabled <> 'A'}),
	'0', 'the triggers of the map fire always');
check('halves', 'data with triggers disabled');
# by pg_restore
$hub->command_ok([ 'pg_restore', '-e', '--schema-only', '-d', fresh('halves'), "$dir/custom.dump" ], 'pg_restore --schema-only');
$hub->command_ok([ 'pg_restore', '-e', '--data-only', '--disable-triggers', '-j', '4', '-d', 'halves', "$dir/custom.dump" ], 'pg_restore --data-only --disable-triggers -j');
check('halves', 'parallel data with triggers disabled');

# Over a database that is there
psql_file($hub, fresh('again'), "$dir/plain.sql", 'restored');
{
	# pg_dump of 15 drops what the partitioned table drops with it
	my (undef, $stderr) = run_command([ 'pg_restore', '--clean', '--if-exists', '-d', $hub->connstr('again'), "$dir/custom.dump" ]);
	my @errors = grep { /ERROR/ && !/cannot drop inherited constraint/ } split /\n/, $stderr;
	is("@errors", '', 'pg_restore --clean');
}
check('again', 'cleaned');

# Without a mirrored table; it comes later
$hub->command_ok([ 'pg_dump', '-Fc', '-T', 'base', '-T', 'child', '-T', 'orders', '-f', "$dir/without.dump", 'integration' ], 'pg_dump -T');
$hub->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', fresh('without'), "$dir/without.dump" ], 'pg_restore');
is(sql($hub, 'without', q{SELECT relation FROM ownership.risks WHERE risk = 'broken_mirror' ORDER BY 1}), "absent\nbase\norders", 'risks tell what is missing');
$hub->command_ok([ 'pg_restore', '-e', '-t', 'orders', '-d', 'without', "$dir/custom.dump" ], 'a table is restored later');
is(sql($hub, 'without', q{SELECT severity, risk FROM ownership.risks WHERE relation = 'orders' AND risk <> 'unmapped'}), 'medium|unguarded', 'its guard is not in that; risks tell');
sql($hub, 'without', q{SELECT ownership.guard('orders')});
is(sql($hub, 'without', q{SELECT relation FROM ownership.guards WHERE guarded ORDER BY 1}), "land_erp.item\nland_erp.late\norders\nproduct\nstock", 'and it is guarded');
check('without', 'without', qw(base child));

# A mirrored table is replaced by its dump: data and guard come from there
psql_file($hub, fresh('replaced'), "$dir/plain.sql", 'restored');
$hub->command_ok([ 'pg_dump', '-t', 'orders', '-f', "$dir/orders.sql", 'integration' ], 'pg_dump -t');
sql($hub, 'replaced', 'DROP TABLE orders');
psql_file($hub, 'replaced', "$dir/orders.sql", 'one table restored');
check('replaced', 'replaced');
# from where it is not guarded: a high risk tells that the guard is gone
psql_file($hub, fresh('replaced'), "$dir/plain.sql", 'restored');
sql($hub, 'replaced', 'DROP TABLE orders');
{
	my $text = slurp_file("$dir/orders.sql");
	$text =~ s/^CREATE TRIGGER.*?;$//msg;
	$text =~ s/^ALTER TABLE \S+ ENABLE ALWAYS TRIGGER.*?;$//msg;
	$text =~ s/^ALTER TRIGGER.*?;$//msg;
	append_to_file("$dir/bare.sql", $text);
}
psql_file($hub, 'replaced', "$dir/bare.sql", 'one table restored, without its guard');
is(sql($hub, 'replaced', q{SELECT severity, risk FROM ownership.risks WHERE relation = 'orders' AND severity = 'high'}), 'high|unguarded', 'a high risk tells');
sql($hub, 'replaced', q{SELECT ownership.guard('orders')});
check('replaced', 'guarded again');

# Over a map that is there: what does not fit is an error of pg_restore, and
# what was left out for that is a risk, because the rest names it.
sql($hub, fresh('occupied'), q{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('crm', 'mdm');
	CREATE TABLE other (id int PRIMARY KEY);
	SELECT ownership.assign('other', NULL, 'crm')});
{
	my (undef, $stderr) = run_command([ 'pg_restore', '-d', $hub->connstr('occupied'), "$dir/custom.dump" ]);
	my %failed = map { /COPY failed for table "(\w+)"/ ? ($1 => 1) : () } split /\n/, $stderr;
	is(join(' ', sort keys %failed), 'map_history system', 'a restore over a map tells what is there already');
}
sql($hub, 'occupied', q{SET check_function_bodies = off; INSERT INTO ownership.field (entity, name, domain) VALUES ('a', 'b', 'gone')});
is(sql($hub, 'occupied', q{SELECT severity, systems, detail FROM ownership.risks WHERE risk = 'broken_mirror' AND relation IS NULL ORDER BY detail}),
	"medium|{}|Domain gone has 1 field, but is not in ownership.domain: its policy is not known.\n" .
	"medium|{erp}|System erp is named in ownership.declared_access, ownership.field, ownership.identity, ownership.mirrored_pattern, "
	. 'ownership.mirrored_table, but is not in ownership.system.', 'risks tell what is missing');
like(error_as($hub, 'occupied', 'crm_app', q{UPDATE orders SET status = 'x' WHERE id = 1}), qr/ERROR:  42501: system "crm"/, 'the guard holds all the same');
is(psql_as($hub, 'occupied', 'erp_app', q{UPDATE orders SET status = 'x' WHERE id = 1 RETURNING status}), 'x', 'for everyone');
sql($hub, 'occupied', q{DELETE FROM ownership.field WHERE entity = 'a'; SELECT ownership.add_system('erp', 'erp')});
is(sql($hub, 'occupied', q{SELECT detail FROM ownership.risks WHERE risk = 'broken_mirror' AND relation IS NULL}), '', 'once it is there, all is well');

# As the owner of the database, who is no superuser: one made the extension,
# and let the owner fill it.
sql($hub, 'postgres', 'CREATE ROLE hub_owner LOGIN');
sql($hub, fresh('owned'), q{
	ALTER DATABASE owned OWNER TO hub_owner;
	CREATE EXTENSION ownership;
	GRANT ALL ON ALL TABLES IN SCHEMA ownership TO hub_owner;
	GRANT ALL ON ALL SEQUENCES IN SCHEMA ownership TO hub_owner});
{
	my (undef, $stderr) = run_command([ 'pg_restore', '-U', 'hub_owner', '-O', '-x', '-d', $hub->connstr('owned'), "$dir/custom.dump" ]);
	my @errors = map { s/.*ERROR:  //r } grep { /ERROR/ } split /\n/, $stderr;
	is("@errors", 'must be owner of extension ownership', 'restored by the database owner, but for the comment on the extension');
}
sql($hub, 'owned', 'GRANT ALL ON ALL TABLES IN SCHEMA public TO erp_app, crm_app');
check('owned', 'by the database owner');

# Inside the database, a copy of it has the same OIDs
sql($hub, 'postgres', 'CREATE DATABASE copied TEMPLATE integration');
check('copied', 'copied');

$hub->stop;
done_testing();
