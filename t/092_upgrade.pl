# pg_upgrade keeps OIDs and rows: bindings, map and guard are as they were, and
# follow DDL.  Between two clusters of the same version that is tested here;
# what happens in binary-upgrade mode is the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = new_node('old', preload => 0);
my $new = new_node('new', preload => 0);

# From 18 on a server finds extensions elsewhere by extension_control_path, but
# pg_upgrade looks for libraries by their whole path.
my $pkglibdir = $old->config_data('--pkglibdir');
if (sql($old, 'postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'extension_control_path'}) && !-e "$pkglibdir/ownership.so")
{
	diag("NOT TESTED: pg_upgrade, which looks for the library in $pkglibdir only; it is not installed there");
	$old->stop;
	$new->stop;
	plan(skip_all => 'the library is not in $libdir');
}

sql($old, 'postgres', q{
	CREATE DATABASE integration;
	CREATE ROLE erp_app LOGIN;
	CREATE ROLE crm_app LOGIN});
sql($old, 'integration', q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (dropped int, sku text PRIMARY KEY, price numeric);
	CREATE SCHEMA land;
	CREATE TABLE land.item (id int PRIMARY KEY);
	CREATE TABLE stock (site text PRIMARY KEY, qty int) PARTITION BY LIST (site);
	CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('crm', 'crm', role => 'crm_app');
	ALTER TABLE product DROP dropped;
	SELECT ownership.assign('product', NULL, 'erp', policy => 'keep'), ownership.assign('stock', NULL, 'erp'),
		ownership.add_tables('land.*', source => 'erp');
	CREATE TABLE land.late (id int PRIMARY KEY);
	ALTER TABLE product RENAME TO article;
	SET ownership.system = 'erp';
	INSERT INTO article VALUES ('A', 1);
	SET ownership.system = 'crm';
	UPDATE article SET price = 9;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC});

my @tables = map { "ownership.$_" } qw(system identity field mirrored_pattern mirrored_table mirrored_column conflict bound_role bound_table former_table);
sub table { return sql($_[0], 'integration', "SELECT string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\") FROM $_[1] t") }
my $guards = q{SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), E'\n' ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE tgname LIKE 'zzzz%'};
my $events = q{SELECT string_agg(format('%s %s', evtname, evtenabled), ', ' ORDER BY evtname) FROM pg_event_trigger};
my %before = map { $_ => table($old, $_) } @tables;
my $guarded = sql($old, 'integration', $guards);

$old->stop;
$new->stop;
chdir PostgreSQL::Test::Utils::tempdir();
my $bindir = $old->config_data('--bindir');
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade');
$new->start;

is(table($new, $_), $before{$_}, "$_ is the same") foreach @tables;
is(sql($new, 'integration', $guards), $guarded, 'the guard, too');
is(sql($new, 'integration', $events), 'ownership_drop A, ownership_end A, ownership_start A', 'the event triggers are armed');
is(psql_as($new, 'integration', 'crm_app', 'UPDATE article SET price = 5 RETURNING price'), '1', 'the guard holds');
sql($new, 'integration', q{
	ALTER TABLE article RENAME TO product;
	ALTER TABLE product RENAME price TO cost;
	CREATE TABLE stock_b PARTITION OF stock FOR VALUES IN ('b');
	CREATE TABLE land.later (id int PRIMARY KEY)});
is(psql_as($new, 'integration', 'crm_app', 'UPDATE product SET cost = 5 RETURNING cost'), '1', 'the map follows');
is(sql($new, 'integration', q{SELECT string_agg(relation, ', ' ORDER BY relation) FROM ownership.guards WHERE guarded}),
	'land.item, land.late, land.later, product, stock', 'and takes in what is new');
sql($new, 'integration', 'DROP EXTENSION ownership');

$new->stop;
done_testing();
