# Two workers create and park rows of the same keys at the same time: no value is
# lost, no stream stops.  Then sessions do.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $keys = 3000;
my $pub = new_node('sources');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");
sql($pub, 'postgres', "CREATE DATABASE $_") foreach qw(erp pim);
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }

sql($pub, 'erp', 'CREATE TABLE product (sku int PRIMARY KEY, price int); CREATE PUBLICATION product FOR TABLE product');
sql($pub, 'pim', 'CREATE TABLE product (sku int PRIMARY KEY, title text); CREATE PUBLICATION product FOR TABLE product');
hub(q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (sku int PRIMARY KEY, price int, title text);
	CREATE TABLE item (sku int PRIMARY KEY, price int, title text);
	CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN;
	GRANT ALL ON product, item TO erp, pim;
	SELECT ownership.add_system('erp', 'erp', role => 'erp');
	SELECT ownership.add_system('pim', 'pim', role => 'pim');
	SELECT ownership.assign(t, '{sku,price}', 'erp', policy => 'keep'), ownership.assign(t, '{title}', 'pim')
	FROM unnest('{product,item}'::regclass[]) t});
foreach my $feed (qw(erp pim))
{
	my $conninfo = connstr($pub, $feed);

	hub("SELECT ownership.identify('$feed', subscription => 'from_$feed')");
	hub("CREATE SUBSCRIPTION from_$feed CONNECTION '$conninfo' PUBLICATION product WITH (copy_data = false)");
}

# together([NODE, DATABASE, ROLE or undef, SCRIPT] ...): runs clients at the same time; their exit codes
sub together
{
	my @handles;

	foreach my $run (@_)
	{
		my ($node, $db, $role, $script) = @$run;
		my $file = $node->basedir . '/client' . scalar(@handles) . '.sql';

		open my $out, '>', $file or die "$file: $!";
		print $out $script;
		close $out;
		push @handles, IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr($db) . ($role ? " user=$role" : ''), '-f', $file ]);
	}
	$_->finish foreach @handles;
	return join(' ', map { $_->full_result(0) } @handles);
}

# scripts(TABLE, [VALUE, ROWS a statement] ...): INSERTs of all keys
sub scripts
{
	my ($table, @clients) = @_;
	my @scripts;

	foreach my $client (@clients)
	{
		my ($column, $value, $size) = @$client;
		my $script = '';
		my $n = 0;

		for (my $i = 1; $i <= $keys; $i += $size)
		{
			my $end = $i + $size - 1;

			# so one client is ahead of the other by turns
			$script .= "SELECT pg_sleep(0.03);\n" if $n++ % ($column eq 'price' ? 100 : 170) == 50;
			$script .= "INSERT INTO $table (sku, $column) SELECT i, $value FROM generate_series($i, $end) i"
			  . ($column eq 'title' && $table eq 'item' ? ' ON CONFLICT (sku) DO UPDATE SET title = excluded.title' : '') . ";\n";
		}
		push @scripts, $script;
	}
	return @scripts;
}

#
# Workers
#
my ($erp, $pim) = scripts('product', [ 'price', 'i', 1 ], [ 'title', "'t' || i", 1 ]);
is(together([ $pub, 'erp', undef, $erp ], [ $pub, 'pim', undef, $pim ]), '0 0', 'both sources are written');
foreach my $feed (qw(erp pim))
{
	my $lsn = sql($pub, $feed, 'SELECT pg_current_wal_lsn()');
	wait_for($pub, $feed, "SELECT confirmed_flush_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = 'from_$feed'");
}
is(hub("SELECT count(*), count(*) FILTER (WHERE title = 't' || sku AND price = sku) FROM product"), "$keys|$keys", 'workers: no value is lost');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'parked' AND resolved_at IS NULL}), '0', 'nothing waits');
ok(hub(q{SELECT count(*) > 0 FROM ownership.conflict WHERE outcome = 'parked'}) eq 't', 'something was parked');
unlike(slurp_file($hub->logfile), qr/ERROR/, 'no stream stopped');

#
# Sessions: one creates by single rows and by batches, another parks, in the same order of keys
#
foreach my $size (1, 50)
{
	hub('SET ownership.enforcement = off; TRUNCATE item; DELETE FROM ownership.conflict');
	# the PIM takes that its row may be there by now
	($erp, $pim) = scripts('item', [ 'price', 'i', $size ], [ 'title', "'t' || i", 1 ]);
	is(together([ $hub, 'integration', 'erp', $erp ], [ $hub, 'integration', 'pim', $pim ]), '0 0', "sessions, $size rows a statement: no error");
	is(hub("SELECT count(*), count(*) FILTER (WHERE title = 't' || sku AND price = sku) FROM item"), "$keys|$keys", 'sessions: no value is lost');
	is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'parked' AND resolved_at IS NULL}), '0', 'nothing waits');
}

#
# A worker creates a row, and has seen what waits for it; another session parks a newer
# value then
#
hub(q{
	CREATE FUNCTION at_gate(title text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF title = 'older' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN true; END $$;
	ALTER TABLE product ADD CHECK (at_gate(title));
	SET ownership.system = 'pim';
	INSERT INTO product (sku, title) VALUES (0, 'older')});
my $gate = $hub->background_psql('integration');
my $parker = $hub->background_psql('integration');
$gate->query_safe('SELECT pg_advisory_lock(1)');
sql($pub, 'erp', 'INSERT INTO product VALUES (0, 0)');
wait_for($hub, 'integration', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND wait_event = 'advisory'});
$parker->query_until(qr/parks/, q{SET client_min_messages = error;
SET ownership.system = 'pim';
\echo parks
INSERT INTO product (sku, title) VALUES (0, 'newer') ON CONFLICT (sku) DO UPDATE SET title = excluded.title;
});
# it has parked the value, or waits
wait_for($hub, 'integration', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO product%newer%' AND (state = 'idle' OR wait_event_type = 'Lock')});
$gate->quit;
$parker->quit;
$pub->wait_for_catchup('from_erp');
is(hub('SELECT price, title FROM product WHERE sku = 0'), '0|newer', 'the newer value is in the row');
is(hub(q{SELECT count(*) FROM ownership.waiting}), '0', 'nothing waits');
done_testing();
