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
done_testing();
