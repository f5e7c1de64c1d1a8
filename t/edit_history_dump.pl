# The map's history goes with a dump, and restoring one decides nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('history', preload => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();

sub history { return sql($node, $_[0], "\\copy (SELECT * FROM ownership.map_history ORDER BY id) TO STDOUT (FORMAT csv)") }
sub map_of { return sql($node, $_[0], "\\copy (TABLE ownership.sheet) TO STDOUT (FORMAT csv)") }

sub restored
{
	my ($db, $what) = @_;
	is(map_of($db), map_of('hub'), "$what: the map is the same");
	is(history($db), history('hub'), "$what: so is its history, and no more");
	my $last = sql($node, $db, 'SELECT max(id) FROM ownership.map_history');
	sql($node, $db, q{UPDATE ownership.field SET owner = 'crm' WHERE name = 'price'});
	is(sql($node, $db, "SELECT role, item, old, new FROM ownership.map_history WHERE id > $last"),
		sql($node, $db, 'SELECT current_user') . '|product.price|{"owner": "erp"}|{"owner": "crm"}',
		"$what: it goes on, with new ids");
}

sql($node, 'postgres', 'CREATE DATABASE hub');
sql($node, 'postgres', 'CREATE ROLE steward LOGIN');
sql($node, 'hub', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	CREATE TABLE orders (id int PRIMARY KEY, status text);
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
	INSERT INTO ownership.domain (name, policy) VALUES ('my_domain', 'keep');
	SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{crm}', rationale => E'two\nlines, "quoted"');
	SELECT ownership.add_tables('orders', source => 'crm');
	SELECT ownership.assign_rows('orders', '{status}', 'erp', $$status = 'paid'$$);
	GRANT SELECT, UPDATE ON ownership.field TO steward});
psql_as($node, 'hub', 'steward', q{UPDATE ownership.field SET policy = 'keep' WHERE name = 'price'});
is(sql($node, 'hub', q{SELECT role, login, item, new FROM ownership.map_history ORDER BY id DESC LIMIT 1}),
	'steward|steward|product.price|{"policy": "keep"}', 'there is a history');

# plain, by psql
$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'hub' ], 'pg_dump, plain');
sql($node, 'postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'plain' ], 'restored by psql');
restored('plain', 'plain');
# and with triggers that would not fire, if they were not always on
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	sql($node, 'postgres', 'CREATE DATABASE replica');
	$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'replica' ], 'restored as a replica');
}
restored('replica', 'replica');

# custom, by pg_restore
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", 'hub' ], 'pg_dump, custom');
sql($node, 'postgres', 'CREATE DATABASE custom');
$node->command_ok([ 'pg_restore', '-e', '-d', 'custom', "$dir/custom.dump" ], 'restored by pg_restore');
restored('custom', 'custom');

# Once the data is there, a dump of data alone may be put over an empty map,
# with triggers off or on.
foreach my $how ([], ['--disable-triggers'])
{
	my $what = "data only @$how";
	sql($node, 'postgres', 'DROP DATABASE IF EXISTS bare');
	sql($node, 'postgres', 'CREATE DATABASE bare');
	$node->command_ok([ 'pg_restore', '-e', '-s', '-d', 'bare', "$dir/custom.dump" ], "$what: schema");
	is(history('bare'), '', "$what: an empty map has no history");
	$node->command_ok([ 'pg_restore', '-e', '-a', @$how, '-d', 'bare', "$dir/custom.dump" ], "$what: data");
	restored('bare', $what);
}

$node->stop;
done_testing();
