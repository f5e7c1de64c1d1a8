# What an administrator sets or breaks does not stop the worker, or is seen:
# settings of the database and of roles, a process that ends, a table that is
# locked, a queue that is full.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '100ms'\nownership.queue_size = '1MB'\n");

sub super { return sql($node, 'postgres', $_[0]) }
sub fact { return super("SELECT value FROM ownership.status WHERE fact = '$_[0]'") }
# what is said of the worker, as a gate would see it
sub risks { return super(q{SELECT severity, detail FROM ownership.risks WHERE risk = 'unrecorded' ORDER BY severity, detail}) }
sub gate { return error_as($node, 'postgres', 'postgres', 'SELECT ownership.assert_clean()') }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN;
	CREATE ROLE crm LOGIN;
	CREATE TABLE product (id int PRIMARY KEY, price int);
	CREATE TABLE other (id int PRIMARY KEY);
	INSERT INTO product VALUES (1, 1);
	GRANT ALL ON product, other TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('product', NULL, 'erp', readers => '{crm}'), ownership.assign('other', NULL, 'erp', readers => '{crm}')});

sub try_to_write { return error_as($node, 'postgres', 'crm', 'UPDATE product SET price = 2') =~ /42501/ }
sub attempts { return super(q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'rejected'}) }
# flush() in a session of a superuser that no setting disturbs
sub flushed { return error_as($node, 'postgres', 'postgres', 'SET statement_timeout = 20000; SELECT ownership.flush()') }

is(risks(), '', 'nothing is wrong');
is(gate(), '', 'the gate is open');

#
# Settings.  A table with many columns, so that the worker has much to sort.
#
super(q{DO $$ BEGIN
	EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('column_with_a_long_name_' || i || ' int', ', ') FROM generate_series(1, 1200) i) || ')';
	EXECUTE 'GRANT ALL ON wide TO PUBLIC';
END $$;
SELECT ownership.assign('wide', NULL, 'erp', readers => '{crm}')});
my @settings = (
	[ work_mem => '64kB', temp_file_limit => '0' ],
	[ default_transaction_read_only => 'on' ],
	[ default_transaction_isolation => 'serializable', default_transaction_deferrable => 'on' ],
	[ statement_timeout => '1ms', lock_timeout => '1ms', idle_in_transaction_session_timeout => '1ms', idle_session_timeout => '1ms' ],
	[ search_path => 'pg_temp', row_security => 'off', session_replication_role => 'origin', check_function_bodies => 'off' ],
	[ DateStyle => 'SQL, DMY', IntervalStyle => 'sql_standard', array_nulls => 'off', standard_conforming_strings => 'off', bytea_output => 'escape' ],
	[ synchronous_commit => 'remote_apply', max_stack_depth => '100kB', plan_cache_mode => 'force_generic_plan', quote_all_identifiers => 'on' ],
	[ 'ownership.enforcement' => 'observe', 'ownership.system' => 'no_such', 'ownership.default_policy' => 'observe' ],
	[ role => 'crm' ]);
push @settings, [ transaction_timeout => '10ms' ] if $node->pg_version >= 17;
my @places = ('DATABASE postgres', 'ROLE postgres', 'ROLE postgres IN DATABASE postgres');
foreach my $set (@settings)
{
	my %set = @$set;
	my @names = sort keys %set;
	my $of = $places[0];
	my $attempts = attempts();
	my $reads = super(q{SELECT coalesce(sum(reads), 0) FROM ownership.activity WHERE table_name = 'wide'});
	# it began before: what the settings do to its own statements is not the question
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	push @places, shift @places;
	$session->query("ALTER $of SET $_ = '$set{$_}'") foreach @names;
	# a worker that has the old ones ends
	$session->query(q{SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'ownership worker'});
	$session->query('SET SESSION AUTHORIZATION crm; SELECT * FROM wide');
	$session->query('UPDATE product SET price = 2');
	$session->query('RESET SESSION AUTHORIZATION');
	$session->{stderr} = '';
	$session->query(q{SET statement_timeout = 20000; SELECT ownership.flush(); SET statement_timeout = 0});
	is($session->{stderr}, '', "@names of $of: flush()");
	$session->query("ALTER $of RESET $_") foreach @names;
	$session->quit;
	is(attempts(), $attempts + 1, 'the attempt is written');
	is(super(q{SELECT sum(reads) FROM ownership.activity WHERE table_name = 'wide'}), $reads + 1200, 'and activity');
}
super(q{DROP TABLE wide; DELETE FROM ownership.mirrored_table WHERE table_name = 'wide'; DELETE FROM ownership.field WHERE entity = 'wide'});
is(risks(), '', 'nothing was wrong');

#
# A process that ends: flush() does not wait for ever, and it is a risk
#
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $version = $node->data_dir . '/base/' . super(q{SELECT oid FROM pg_database WHERE datname = 'postgres'}) . '/PG_VERSION';
wait_for($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ownership worker'}, '0');
rename($version, "$version.away") or die $!;
$session->query('SET SESSION AUTHORIZATION crm; UPDATE product SET price = 2; SELECT price FROM product; RESET SESSION AUTHORIZATION; SET statement_timeout = 20000');
$session->{stderr} = '';
$session->query('SELECT ownership.flush()');
like($session->{stderr}, qr/activity could not be written to the tables.*its process was ended; the server's log says why/s, 'flush() tells of a process that ended');
like($session->query(q{SELECT severity || ': ' || detail FROM ownership.risks WHERE risk = 'unrecorded'}),
	qr/^high: .*the worker that writes them fails.*process was ended/, 'a high risk');
rename("$version.away", $version) or die $!;
is(flushed(), '', 'it works again');
is(risks(), '', 'and is no risk any more');
$session->quit;

#
# A worker that fails on one table, and goes on with the other
#
super(q{ALTER TABLE ownership.activity ADD CONSTRAINT no CHECK (reads < 0) NOT VALID});
my $attempts = attempts();
ok(try_to_write(), 'rejected');
like(flushed(), qr/violates check constraint "no"/, 'activity cannot be written');
is(attempts(), $attempts + 1, 'evidence is, all the same');
like(fact('worker'), qr/^failed/, 'status says so');
like(risks(), qr/^high\|Rejected attempts and activity do not come to the tables: the worker that writes them fails\. .*violates check constraint "no"$/, 'a high risk');
like(gate(), qr/ERROR:  P0004.*high, unrecorded: /s, 'the gate is shut');
like(psql_as($node, 'postgres', 'crm', q{SELECT risk FROM ownership.risks WHERE risk = 'unrecorded'}), qr/^unrecorded$/, 'everyone sees it');
super('ALTER TABLE ownership.activity DROP CONSTRAINT no');
is(flushed(), '', 'it is mended');
is(risks(), '', 'and no risk any more');
is(gate(), '', 'nor in the gate');

#
# A table that is locked for long; what finds no room meanwhile
#
my $lock = $node->background_psql('postgres');
$lock->query('BEGIN; LOCK TABLE ownership.activity IN ACCESS EXCLUSIVE MODE');
$attempts = attempts();
try_to_write();
wait_for($node, 'postgres', q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'rejected'}, $attempts + 1);
pass('a locked table of activity keeps no evidence back');
$lock->query('ROLLBACK');
# DDL that the map follows holds rows of activity until it commits
psql_as($node, 'postgres', 'crm', 'SELECT id FROM other');
is(flushed(), '', 'there is a row of activity');
$lock->query('BEGIN; ALTER TABLE product RENAME price TO list_price; ALTER TABLE product RENAME list_price TO price');
$lock->query('SAVEPOINT s; UPDATE ownership.activity SET reads = reads');
my $reader = $node->background_psql('postgres', on_error_stop => 0);
$reader->query('SET SESSION AUTHORIZATION crm; SELECT id FROM other');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'ownership worker' AND wait_event_type = 'Lock'}), 'the worker waits for a row');
sleep(3);
like(fact('worker'), qr/^running/, 'which is no failure');
is(risks(), '', 'nor a risk');
$lock->query('ROLLBACK');
is(flushed(), '', 'and ends with the lock');
# as DROP EXTENSION, which locks one table after the other
my $dropping = $node->background_psql('postgres', on_error_stop => 0);
$dropping->query('BEGIN; LOCK TABLE ownership.system IN ACCESS EXCLUSIVE MODE');
$reader->query('SELECT id FROM other');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'ownership worker' AND wait_event_type = 'Lock'}), 'the worker waits for a table');
$dropping->{stderr} = '';
$dropping->query('LOCK TABLE ownership.activity IN ACCESS EXCLUSIVE MODE');
is($dropping->{stderr}, '', 'and gives way to whoever waits for it');
$dropping->query('ROLLBACK');
$dropping->quit;
$reader->quit;
is(flushed(), '', 'and goes on');
$lock->query('BEGIN; LOCK TABLE ownership.conflict IN ACCESS EXCLUSIVE MODE');
super(q{
	SET SESSION AUTHORIZATION crm;
	DO $$ BEGIN
		FOR i IN 1 .. 20000 LOOP
			BEGIN
				UPDATE product SET price = i;
			EXCEPTION WHEN insufficient_privilege THEN
				NULL;
			END;
		END LOOP;
	END $$});
wait_for($node, 'postgres', q{SELECT value::bigint > 0 FROM ownership.status WHERE fact = 'dropped'});
like(risks(), qr/^high\|\d+ rejected attempts found no room in shared memory since the server started, and left no evidence\.$/m, 'attempts without room are a high risk');
SKIP:
{
	skip 'takes a minute', 1 if !$ENV{OWNERSHIP_SLOW};
	wait_for($node, 'postgres', q{SELECT count(*) FROM ownership.risks WHERE risk = 'unrecorded' AND detail ~ 'more than a minute'}, '1');
	pass('so are those that wait for long');
}
$lock->query('ROLLBACK');
$lock->quit;
is(flushed(), '', 'flush()');
like(risks(), qr/^high\|\d+ rejected attempts found no room in shared memory since the server started, and left no evidence\.$/, 'what is lost is lost, until a restart that gives it room');
$node->restart;
is(risks(), '', 'which ends the risk');

$node->stop;
done_testing();
