# Large transactions, streamed while they run, and restarts of the hub in the
# middle: the result is what the map says, and no evidence is missing or there
# twice.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 3000;

my $pub = new_node('sources', extra => "logical_decoding_work_mem = 64kB\n");
my $hub = new_node('hub', preload => 1,
	extra => "wal_retrieve_retry_interval = '200ms'\n");
sql($pub, 'postgres', 'CREATE DATABASE crm');
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub crm { return sql($pub, 'crm', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }

# is part of a transaction on its way, in files or in a parallel worker?
sub streamed
{
	my ($mode) = @_;
	return wait_for($hub, 'integration',
		q{SELECT count(*) > 0 FROM pg_stat_subscription WHERE leader_pid IS NOT NULL}) if $mode eq 'parallel';
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if glob($hub->data_dir . '/base/pgsql_tmp/*.fileset/*');
		select(undef, undef, undef, 0.1);
	}
	return fail('timed out waiting for a streamed transaction');
}

my $table = q{CREATE TABLE item (id int PRIMARY KEY, price numeric, note text)};
crm("$table; INSERT INTO item SELECT i, i, 'old' FROM generate_series(1, $rows) i; CREATE PUBLICATION pub FOR TABLE item");
hub($table);
hub(qq{
	INSERT INTO item SELECT i, i, 'old' FROM generate_series(1, $rows) i;
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('crm', 'crm');
	SELECT ownership.assign('item', '{id,price}', 'erp');
	SELECT ownership.assign('item', '{note}', 'crm')});
my $conninfo = connstr($pub, 'crm');

my @modes = ('on');
push @modes, 'parallel' if $hub->pg_version >= 16;
foreach my $mode (@modes)
{
	hub(qq{
		TRUNCATE ownership.conflict;
		SET ownership.enforcement = off;
		UPDATE item SET note = 'old'});
	crm(qq{UPDATE item SET note = 'old', price = id; DELETE FROM item WHERE id > $rows});
	hub(qq{
		CREATE SUBSCRIPTION hub CONNECTION '$conninfo' PUBLICATION pub
			WITH (copy_data = false, streaming = $mode)});
	hub(q{SELECT ownership.identify('crm', subscription => 'hub')}) if $mode eq 'on';
	$hub->wait_for_subscription_sync($pub, 'hub', 'integration');

	# restarts while the transaction runs
	my $writer = $pub->background_psql('crm');
	$writer->query_safe(qq{
		BEGIN;
		UPDATE item SET price = price + 0.5, note = 'first';
		SAVEPOINT s;
		UPDATE item SET price = price + 100, note = 'undone';
		ROLLBACK TO s});
	streamed($mode);
	$hub->restart;
	$writer->query_safe(qq{
		UPDATE item SET note = 'second' WHERE id <= $rows / 2;
		INSERT INTO item SELECT $rows + i, NULL, 'new' FROM generate_series(1, $rows) i});
	streamed($mode);
	$hub->stop('immediate');
	$hub->start;
	$writer->query_safe(qq{UPDATE item SET price = price + 1 WHERE id = 1});

	# and in the middle of applying it: the last row waits for a lock.  (A
	# parallel worker applies as it receives, so it was in the middle above.)
	my $locker;
	if ($mode ne 'parallel')
	{
		$locker = $hub->background_psql('integration');
		$locker->query_safe(qq{BEGIN; SELECT FROM item WHERE id = $rows FOR UPDATE});
	}
	$writer->query_safe('COMMIT');
	$writer->quit;
	if ($mode ne 'parallel')
	{
		wait_for($hub, 'integration',
			q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND wait_event_type = 'Lock'});
		is(hub(q{SELECT count(*) FROM ownership.conflict}), '0', "$mode: nothing is told of a transaction that has not ended");
		$hub->stop('immediate');
		$locker->{run}->kill_kill;
		$hub->start;
	}
	$pub->wait_for_catchup('hub');

	is(hub(qq{
			SELECT count(*), count(*) FILTER (WHERE price = id AND note = CASE WHEN id <= $rows / 2 THEN 'second' ELSE 'first' END)
			FROM item}), "$rows|$rows", "$mode: every row is as it should be");
	is(hub(q{
			SELECT operation, outcome, columns, count(*), count(DISTINCT row_key), min(system), max(system)
			FROM ownership.conflict GROUP BY 1, 2, 3 ORDER BY 1, 2}),
		"INSERT|parked|{note}|$rows|$rows|crm|crm\nUPDATE|kept|{price}|@{[$rows + 1]}|$rows|crm|crm",
		"$mode: each refused value is evidence, once");
	is(hub(q{SELECT count(*) FROM ownership.conflict WHERE operation = 'UPDATE'
			AND (proposed->>'price')::numeric <> (row_key->>'id')::numeric + 0.5}),
		'1', "$mode: with what was proposed, and nothing of what was undone");
	is(hub(q{SELECT proposed FROM ownership.conflict WHERE row_key = '{"id": 1}' ORDER BY id}),
		qq({"price": "1.5"}\n{"price": "2.5"}), "$mode: in the order of the changes");
	cmp_ok(sql($pub, 'crm', q{SELECT stream_count FROM pg_stat_replication_slots WHERE slot_name = 'hub'}), '>', 0,
		"$mode: it was streamed");

	# the stream goes on
	crm(q{UPDATE item SET note = 'third' WHERE id = 1});
	$pub->wait_for_catchup('hub');
	is(hub('SELECT note FROM item WHERE id = 1'), 'third', "$mode: the stream goes on");
	# a streamed transaction that is rolled back
	crm(q{BEGIN; UPDATE item SET price = -1, note = 'never'; ROLLBACK; UPDATE item SET note = 'fourth' WHERE id = 1});
	$pub->wait_for_catchup('hub');
	is(hub(q{SELECT (SELECT note FROM item WHERE id = 1), (SELECT count(*) FROM item WHERE note = 'never'),
			(SELECT count(*) FROM ownership.conflict WHERE proposed->>'price' = '-1')}), 'fourth|0|0',
		"$mode: what was rolled back is neither there nor evidence");
	hub('DROP SUBSCRIPTION hub');
}

$hub->stop;
$pub->stop;
done_testing();
