# Whoever locks the map's tables is in nobody's way who has nothing to do with
# the map: what only counts asks for no lock that it would have to wait for.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1);
sql($node, 'postgres', q{
	CREATE ROLE erp LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE EXTENSION ownership;
	CREATE TABLE product (id int PRIMARY KEY, price int);
	INSERT INTO product VALUES (1, 1);
	CREATE TABLE elsewhere (id int PRIMARY KEY, note text);
	CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE part PARTITION OF parts DEFAULT;
	CREATE VIEW looking AS SELECT id FROM elsewhere;
	GRANT ALL ON product, elsewhere, parts, looking TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm');
	SELECT ownership.assign('product', NULL, 'erp')});

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{SET client_min_messages = warning});
# a session that knows nothing yet; what waits is an error
my $begin = q{SET lock_timeout = '1s'; };
my @work = (
	[ 'reads a table', 'SELECT count(*) FROM elsewhere' ],
	[ 'reads a partition and a view', 'SELECT count(*) FROM parts, looking' ],
	[ 'writes', q{INSERT INTO elsewhere VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = 'y'; UPDATE elsewhere SET note = 'z'; DELETE FROM elsewhere RETURNING id} ],
	[ 'works with a temporary table', 'CREATE TEMP TABLE t AS SELECT 1 AS x; SELECT x FROM t; INSERT INTO t VALUES (2); ALTER TABLE t ADD y int; DROP TABLE t' ],
	[ 'copies', q{COPY (SELECT id FROM elsewhere) TO STDOUT} ],
	[ 'reads a table on the map', 'SELECT price FROM product' ]);

sub all_pass
{
	my ($what) = @_;
	cmp_ok(sql($node, 'postgres', q{SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted}), '>', 0, "$what: it is locked");
	for my $work (@work)
	{
		my ($rc, $out, $err) = $node->psql('postgres', $begin . $work->[1], extra_params => [ '-U', 'stranger' ]);
		is("$rc$err", '0', "$what: a stranger $work->[0]");
	}
	return;
}

my @tables = split /\n/, sql($node, 'postgres', q{SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
	WHERE c.relkind = 'r' AND c.relnamespace = 'ownership'::regnamespace ORDER BY 1});
cmp_ok(scalar @tables, '>', 12, 'the tables are known');
$session->query('BEGIN; LOCK ' . join(', ', map { "ownership.$_" } @tables) . ' IN ACCESS EXCLUSIVE MODE');
all_pass('all tables of the map locked');
$session->query('ROLLBACK');

for my $statement ('TRUNCATE ownership.mirrored_table CASCADE', 'TRUNCATE ownership.identity', 'REINDEX TABLE ownership.mirrored_table', 'REINDEX TABLE ownership.identity')
{
	$session->query("BEGIN; $statement");
	all_pass($statement);
	$session->query('ROLLBACK');
}

# one table at a time, and no more than the session's first read
for my $table (@tables)
{
	$session->query("BEGIN; LOCK ownership.$table IN ACCESS EXCLUSIVE MODE");
	my ($rc, $out, $err) = $node->psql('postgres', "$begin SELECT count(*) FROM elsewhere; SELECT price FROM product", extra_params => [ '-U', 'stranger' ]);
	is("$rc$err", '0', "$table locked: a stranger reads");
	$session->query('ROLLBACK');
}

# What is on the map waits: nothing is written unjudged.
$session->query('BEGIN; LOCK ownership.mirrored_table IN ACCESS EXCLUSIVE MODE');
like(error_as($node, 'postgres', 'stranger', "$begin UPDATE product SET price = 2"), qr/canceling statement due to lock timeout/, 'a write to a table on the map waits for the map');
$session->query('ROLLBACK');
like(error_as($node, 'postgres', 'stranger', 'UPDATE product SET price = 2'), qr/may not/, 'and is judged by it');

# And reads are counted again.
sql($node, 'postgres', 'SELECT ownership.flush(); DELETE FROM ownership.activity');
$node->safe_psql('postgres', 'SELECT price FROM product', extra_params => [ '-U', 'erp' ]);
wait_for($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'erp'}, '0');
is(sql($node, 'postgres', q{SELECT ownership.flush(); SELECT reads FROM ownership.activity WHERE system = 'erp' AND column_name = 'price'}) =~ s/^\s+//r, '1', 'a read is counted when nothing is locked');

# A COPY that fails before it begins is not taken for the running statement
# afterwards.  A session that says it restores a dump is asked whether it is a
# superuser; the catalog of roles is locked then.
my $copies = $node->background_psql('postgres', on_error_stop => 0);
$copies->query(q{SET check_function_bodies = off; SET lock_timeout = '300ms'});
$session->query('ALTER ROLE CURRENT_USER CONNECTION LIMIT 90');
$session->query('BEGIN; LOCK pg_authid IN ACCESS EXCLUSIVE MODE');
$copies->query(q{COPY product FROM '/dev/null'});
like($copies->{stderr}, qr/canceling statement due to lock timeout/, 'COPY fails at once');
$copies->{stderr} = '';
$session->query('ROLLBACK');
$copies->query(q{RESET check_function_bodies; SET ownership.enforcement = observe; TRUNCATE product; RESET ownership.enforcement});
is($copies->{stderr}, '', 'and a TRUNCATE that leaves evidence goes through after it');
is(sql($node, 'postgres', q{SELECT count(*) FROM ownership.conflict WHERE operation = 'TRUNCATE'}), '1', 'with its evidence');
$copies->quit;
$session->quit;
$node->stop;
done_testing();
