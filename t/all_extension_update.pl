# ALTER EXTENSION ownership UPDATE, from every released version, gives the same
# objects as CREATE EXTENSION, and leaves map, guards and evidence as they were;
# and until it is run, the new library serves the old objects.  What to do when
# this test fails is in doc/versions.md.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Catalog;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

# What was released, never to be changed: install scripts, and update scripts to them.
my %released = (
	'ownership--0.1.0.sql' => '00a9771ed3c620a1b05d7e4f497a6a9bdee693889f85b3dc91aa83afffae6627',
	'ownership--0.1.0--0.2.0.sql' => 'ac9e748c97e5362dc8385bed5a81d788111d4a5a6b77a4fb0f62cfd4b25413a1',
	'ownership--0.2.0.sql' => 'caa08790521860750c8fed6d10f97297028401cc19f52a169da2fc2f335b0060',
);

my $root = "$FindBin::RealBin/..";
my ($current) = slurp_file("$root/ownership.control") =~ /^default_version = '(.*)'/m;
my $meta = JSON::PP->new->decode(slurp_file("$root/META.json"));
is($meta->{version}, $current, 'META.json has the version of ownership.control');
is($meta->{provides}{ownership}{version}, $current, 'twice');
like(slurp_file("$root/CHANGELOG.md"), qr/^## \Q$current\E \(/m, 'CHANGELOG.md has a section on it');

my $versions = "$root/src/install/versions";
my @versions = map { /--(\d[\d.]*)\.sql$/ ? $1 : () } grep { !/--.*--/ } sort keys %released;
is(sha256_hex(slurp_file("$versions/$_")), $released{$_}, "$_ is what was released") foreach sort keys %released;
is(join(' ', grep { !exists $released{$_} && !/--\Q$current\E\.sql$/ } map { s{.*/}{}r } glob("$versions/*")),
	'', 'all others lead to the version that is not released yet');
ok(!-e "$versions/ownership--$current.sql", 'which is made from src/install');

my $node = new_node('update', preload => 1, activity => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();
sub run { return sql($node, @_) }

run('postgres', q{
	CREATE ROLE erp_app LOGIN;
	CREATE ROLE crm_app LOGIN;
	CREATE ROLE keeper;
	CREATE ROLE "keeper's heir";
	CREATE DATABASE fresh});
run('fresh', 'CREATE EXTENSION ownership');
my $fresh = extension_catalog($node, 'fresh');
# with what users grant, which is theirs
my $granted = extension_catalog($node, 'fresh', 'GRANT SELECT ON ownership.conflict TO crm_app');
# with what they did to functions that gain arguments: by owner, grantor and grant option
my %longer = (
	'assign(regclass, name[], text, text[], text[], text, text, text, text)' =>
	  'assign(regclass, name[], text, text[], text[], text, text, text, text, text, text, text)',
	'identify(text, text, text, text, boolean, boolean, boolean)' => 'identify(text, text, text, text, boolean, boolean, boolean, boolean)',
	'import_sheet(text, boolean)' => 'import_sheet(text, boolean, text)',
	'page()' => 'page(text, text, text)',
	'prune(interval)' => 'prune(interval, text[], boolean)',
);
sub granted_on
{
	my @functions = map { "ownership.$_" } @_;
	return 'GRANT SELECT ON ownership.conflict TO crm_app; ' . join '', map { qq{
		REVOKE ALL ON FUNCTION $_ FROM PUBLIC;
		ALTER FUNCTION $_ OWNER TO keeper;
		GRANT EXECUTE ON FUNCTION $_ TO erp_app WITH GRANT OPTION;
		SET ROLE erp_app;
		GRANT EXECUTE ON FUNCTION $_ TO crm_app WITH GRANT OPTION;
		SET ROLE crm_app;
		GRANT EXECUTE ON FUNCTION $_ TO "keeper's heir";
		RESET ROLE;} } @functions;
}
my $granted_on = extension_catalog($node, 'fresh', granted_on(values %longer));
my $fresh_rows = extension_rows($node, 'fresh');

sub same
{
	my ($left, $right, $l, $r, $what) = @_;
	my @lines = differences($left, $right, $l, $r);
	is(scalar @lines, 0, $what) or diag(join "\n", @lines);
}

#
# Would it be seen?
#
cmp_ok(scalar keys %$fresh, '>', 500, 'there is much to compare');
same($fresh, extension_catalog($node, 'fresh'), 'left', 'right', 'a database is the same as itself');
foreach my $change (
	[ 'CREATE FUNCTION public.more() RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION ownership ADD FUNCTION public.more()', 'function public.more\(\): only in' ],
	[ 'ALTER EXTENSION ownership DROP VIEW ownership.risks', 'view ownership.risks: depends on|view ownership.risks: is a member' ],
	[ 'CREATE TABLE ownership.left_over ()', 'table ownership.left_over: only in' ],
	[ q{COMMENT ON COLUMN ownership.field.key IS 'else'}, 'column key of table ownership.field: comment' ],
	[ q{COMMENT ON FUNCTION ownership.flush() IS 'else'}, 'function ownership.flush\(\): comment' ],
	[ q{COMMENT ON EXTENSION ownership IS 'else'}, 'the extension: comment' ],
	[ 'ALTER TABLE ownership.field ADD more int', 'column more of table ownership.field: only in' ],
	[ 'ALTER TABLE ownership.former_column DROP left_in; ALTER TABLE ownership.former_column ADD left_in xid8 NOT NULL',
		'column left_in of table ownership.former_column: number' ],
	[ q{ALTER TABLE ownership.system ALTER kind SET DEFAULT 'erp'}, 'column kind of table ownership.system: default' ],
	[ 'ALTER TABLE ownership.field ALTER key DROP NOT NULL', 'column key of table ownership.field: not null' ],
	[ 'ALTER TABLE ownership.activity SET (fillfactor = 70)', 'table ownership.activity: options' ],
	[ q{ALTER TABLE ownership.field DROP CONSTRAINT field_policy_check; ALTER TABLE ownership.field ADD CONSTRAINT field_policy_check CHECK (policy <> 'x')},
		'table constraint field_policy_check on ownership.field: definition' ],
	[ 'DROP INDEX ownership.field_owner_idx; CREATE INDEX field_owner_idx ON ownership.field (owner, entity)', 'index ownership.field_owner_idx: index' ],
	[ 'GRANT INSERT ON ownership.field TO PUBLIC', 'table ownership.field: acl' ],
	[ 'GRANT UPDATE (note) ON ownership.system TO PUBLIC', 'column note of table ownership.system: acl' ],
	[ 'GRANT EXECUTE ON FUNCTION ownership.map_changed() TO PUBLIC', 'function ownership.map_changed\(\): acl' ],
	[ q{DELETE FROM pg_init_privs WHERE objoid = 'ownership.risks'::regclass}, 'view ownership.risks: initial privileges' ],
	[ 'ALTER FUNCTION ownership.guard(regclass) RESET search_path', 'function ownership.guard\(pg_catalog.regclass\): definition' ],
	[ 'ALTER FUNCTION ownership.prune(interval, text[], boolean) COST 7', 'function ownership.prune\(.*\): definition' ],
	[ 'ALTER TABLE ownership.field DISABLE TRIGGER signal', 'trigger signal on ownership.field: enabled' ],
	[ 'ALTER EVENT TRIGGER ownership_end ENABLE', 'event trigger ownership_end: enabled' ],
	[ q{UPDATE pg_event_trigger SET evttags = '{ALTER TABLE}' WHERE evtname = 'ownership_end'}, 'event trigger ownership_end: tags' ],
	[ q{UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'ownership'}, 'the extension: dumps ownership\.system' ],
	[ q{UPDATE pg_extension SET extconfig = extconfig[2:], extcondition = extcondition[2:] WHERE extname = 'ownership'}, 'the extension: dumps ownership\.system' ],
	[ 'ALTER VIEW ownership.map SET (security_invoker = true)', 'view ownership.map: options' ],
	[ 'ALTER TABLE ownership.field ALTER rationale SET STORAGE EXTERNAL', 'column rationale of table ownership.field: storage' ],
	[ 'ALTER SEQUENCE ownership.conflict_id_seq INCREMENT 2', 'sequence ownership.conflict_id_seq: sequence' ])
{
	my ($sql, $expected) = @$change;
	my @lines = differences($fresh, extension_catalog($node, 'fresh', "SET LOCAL allow_system_table_mods = on; $sql"), 'left', 'right');
	ok(scalar(grep { /^(?:$expected)/ } @lines), "seen: $sql") or diag(join "\n", "expected: $expected", @lines);
}
ok(!eval { extension_catalog($node, 'fresh', 'CREATE CAST (ownership.system AS text) WITH INOUT; ALTER EXTENSION ownership ADD CAST (ownership.system AS text)') },
	'what it does not know how to look at is an error') && like($@, qr/^cast .* is of pg_cast/, 'which tells what that is');
run('fresh', q{UPDATE ownership.domain SET note = 'else' WHERE name = 'price'});
cmp_ok(scalar(differences($fresh_rows, extension_rows($node, 'fresh'), 'left', 'right')), '>=', 1, 'seen: a row');

#
# From each released version
#
my @map = map { "ownership.$_" } qw(system identity domain field declared_access mirrored_pattern mirrored_table mirrored_column row_owner conflict map_history);
# what is shipped in the guide comes with the version
# the rows of a table, in the columns that are named
sub rows_of
{
	my ($db, $table, $columns) = @_;
	return run($db, "SELECT $columns FROM $table" . ($table eq 'ownership.domain' ? ' WHERE NOT shipped' : '') . " ORDER BY ROW($columns)::text COLLATE \"C\"");
}
sub columns_of { return run($_[0], "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$_[1]'::regclass AND attnum > 0 AND NOT attisdropped") }
sub guards { return run($_[0], q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgname LIKE 'zzzz_ownership%' ORDER BY tgrelid::regclass::text, 2}) }

# What a hub does with what every version has.
sub works
{
	my ($db, $what) = @_;
	my $evidence = 'SELECT count(*) FROM ownership.conflict';
	my $n = run($db, $evidence);

	like(error_as($node, $db, 'crm_app', q{UPDATE product SET price = 5}), qr/ERROR:  42501: system "crm"/, "$what: reject rejects");
	is(psql_as($node, $db, 'crm_app', q{UPDATE product SET title = clock_timestamp()::text RETURNING title}), 'Lamp', "$what: keep keeps");
	like(error_as($node, $db, 'crm_app', q{DELETE FROM stock}), qr/ERROR:  42501/, "$what: in a partition");
	like(error_as($node, $db, 'crm_app', q{UPDATE orders SET status = 'x'}), qr/ERROR:  42501/, "$what: row owners count");
	psql_as($node, $db, 'erp_app', q{UPDATE product SET price = price + 1; SELECT price FROM product});
	run($db, 'SELECT ownership.flush()');
	is(run($db, $evidence), $n + 4, "$what: there is evidence, of what was rejected, too");
	is(run($db, q{SELECT reads > 0 AND writes > 0 FROM ownership.activity WHERE column_name = 'price' AND system = 'erp'}), 't', "$what: activity is seen");
	run($db, q{
		ALTER TABLE product RENAME price TO cost;
		ALTER TABLE product RENAME TO article;
		ALTER TABLE article RENAME cost TO price;
		ALTER TABLE article RENAME TO product;
		DROP TABLE IF EXISTS land.more;
		CREATE TABLE land.more (id int PRIMARY KEY)});
	is(run($db, q{SELECT string_agg(relation, ' ' ORDER BY relation) FROM ownership.guards WHERE guarded}),
		'land.item land.more orders product stock', "$what: the map follows DDL");
	is(run($db, q{SELECT detail FROM ownership.risks WHERE risk IN ('unguarded', 'broken_mirror', 'unmapped')}), '', "$what: nothing is broken");
	run($db, qq{SELECT count(*) FROM ownership.$_}) foreach qw(map sheet matrix unmapped readiness disagreements decisions status drift_summary());
	run($db, q{SELECT ownership.page(), ownership.diagram(), ownership.grants()});
}

foreach my $version (@versions)
{
	# A C function that a released script names must stay in the library: old
	# objects call it until they are updated, and the script must still run.
	my %symbols = map { $_ => 1 } slurp_file("$versions/ownership--$version.sql") =~ /AS 'MODULE_PATHNAME', '(\w+)'/g;
	cmp_ok(scalar keys %symbols, '>', 50, "$version names C functions");
	my @gone = grep {
		($node->psql('postgres', "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE C AS 'ownership', '$_'"))[0] != 0
	} sort keys %symbols;
	is("@gone", '', "the library still has the C functions of $version");

	my $db = "from_$version" =~ tr/./_/r;
	run('postgres', "CREATE DATABASE $db; CREATE DATABASE empty_$db");

	# without a map every row must be the same, too
	run("empty_$db", "CREATE EXTENSION ownership VERSION '$version'");
	run("empty_$db", 'ALTER EXTENSION ownership UPDATE');
	same($fresh, extension_catalog($node, "empty_$db"), 'fresh', 'updated', "$version, updated: the same objects as a new installation");
	same($fresh_rows, extension_rows($node, "empty_$db"), 'fresh', 'updated', "$version, updated: the same rows");
	run("empty_$db", 'DROP EXTENSION ownership');
	is(run("empty_$db", q{SELECT to_regnamespace('ownership') IS NULL, (SELECT count(*) FROM pg_event_trigger)}), 't|0', "$version, updated: can be dropped");

	run($db, qq{
		CREATE EXTENSION ownership VERSION '$version';
		CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
		CREATE TABLE orders (id int PRIMARY KEY, status text);
		CREATE TABLE stock (site text PRIMARY KEY, qty int) PARTITION BY LIST (site);
		CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
		CREATE SCHEMA land;
		CREATE TABLE land.item (id int PRIMARY KEY);
		SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('crm', 'crm', role => 'crm_app'),
			ownership.add_system('pim', 'pim');
		SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{crm}', domain => 'price'),
			ownership.assign('product', '{title}', 'pim', policy => 'keep'),
			ownership.assign('orders', NULL, 'erp'), ownership.assign('stock', NULL, 'erp'), ownership.add_tables('land.*', source => 'erp');
		SELECT ownership.assign_rows('orders', '{status}', 'pim', \$\$status = 'cart'\$\$);
		UPDATE ownership.domain SET note = 'ours' WHERE name = 'price';
		DELETE FROM ownership.domain WHERE name = 'loyalty';
		INSERT INTO ownership.domain (name) VALUES ('warranty');
		GRANT ALL ON ALL TABLES IN SCHEMA public TO erp_app, crm_app;
		GRANT SELECT ON ownership.conflict TO crm_app;
		SET ownership.enforcement = off;
		INSERT INTO product VALUES ('A', 1, 'Lamp');
		INSERT INTO orders VALUES (1, 'cart');
		INSERT INTO stock VALUES ('a', 1)});
	works($db, "$version, new library");
	my $dumped = $node->command_ok([ 'pg_dump', '-f', "$dir/$version.sql", $db ], "$version: pg_dump");

	run($db, granted_on(keys %longer));

	# a newer version has more columns
	my %columns = map { $_ => columns_of($db, $_) } @map;
	my %before = map { $_ => rows_of($db, $_, $columns{$_}) } @map;
	my $guards = guards($db);
	my $members = run($db, q{SELECT extversion FROM pg_extension WHERE extname = 'ownership'});
	is($members, $version, "$version it is");
	my (undef, undef, $stderr) = $node->psql($db, 'ALTER EXTENSION ownership UPDATE', on_error_die => 1);
	is($stderr, '', "$version: ALTER EXTENSION UPDATE has nothing to say");
	is(rows_of($db, $_, $columns{$_}), $before{$_}, "$version, updated: $_ is as it was") foreach @map;
	is(run($db, 'SELECT name FROM ownership.domain WHERE NOT shipped ORDER BY 1'), "price\nwarranty", "$version, updated: with what users made of the guide");
	is(guards($db), $guards, "$version, updated: the guards are");
	same($granted_on, extension_catalog($node, $db), 'fresh', 'updated',
		"$version, updated: the same objects as a new installation, with a map, and with what users granted");
	is(run($db, q{SELECT proname FROM pg_proc WHERE pronamespace = 'ownership'::regnamespace AND proname = ANY ('} . '{' . join(',', map { s/\(.*//r } keys %longer) . '}' . q{') GROUP BY proname, proargtypes[0] HAVING count(*) > 1}),
		'', "$version, updated: no function has a twin with fewer arguments");
	$node->command_like([ 'pg_dump', '-s', $db ], qr/GRANT ALL ON FUNCTION ownership\.prune\([^)]*boolean\) TO crm_app WITH GRANT OPTION/,
		"$version, updated: pg_dump knows what users granted");
	works($db, "$version, updated");

	# What was dumped before restores into the new version.
	run('postgres', "CREATE DATABASE restored_$db");
	$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/$version.sql", "restored_$db" ],
		"$version: its dump is restored into the new version");
	is(rows_of("restored_$db", $_, $columns{$_}), $before{$_}, "$version, restored: $_ is the same") foreach @map;
	is(guards("restored_$db"), $guards, "$version, restored: the guards are");
	same($granted, extension_catalog($node, "restored_$db"), 'fresh', 'restored', "$version, restored: the same objects as a new installation");
	works("restored_$db", "$version, restored");

	foreach my $gone ($db, "restored_$db")
	{
		run($gone, 'DROP EXTENSION ownership');
		is(guards($gone), '', "$version: dropped, nothing is guarded");
	}
}

$node->stop;
done_testing();
