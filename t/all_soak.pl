# Load: eight SQL writers and three replicated sources write the same tables,
# while the map changes every second, DDL comes every few seconds, and the hub
# is restarted and loses a backend to kill -9 again and again.  At the end the
# hub holds what the writers know to have committed, and the evidence what they
# know to have been refused.  OWNERSHIP_SOAK says for how many seconds.
#
# What is written is unique, so that each value can be accounted for:
#   f1 .. f8  of item and stock: each is always one writer's own, its policy
#             changes between reject, keep and fill: nobody else's value is
#             ever stored there
#   g1 .. g3  of item: the same, of the three sources
#   o         w1's, under observe now and then: what is stored is observed
#   fl        has another owner every few seconds
# A writer that loses its connection looks whether its last statement was
# committed: the row holds either that value or the one before.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Open2;
use Ownership;
use POSIX ();
use PostgreSQL::Test::Utils;
use Storable qw(nstore retrieve);
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{OWNERSHIP_SOAK} || 25;
my $long = $seconds >= 120;
my ($ddl_every, $disturb_every) = $long ? (10, 30) : (3, 6);
my ($writers, $sources, $rows) = (8, 3, 40);
my $calm = $long ? $seconds * 0.8 : $seconds * 0.75;	# no disturbance after it
my $warm = $long ? 20 : 3;
my $seed = $ENV{OWNERSHIP_SEED} || $$;
note("OWNERSHIP_SEED=$seed");

my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\n");
my $hub = new_node('hub', preload => 1, activity => 1, extra => <<'END');
restart_after_crash = on
wal_retrieve_retry_interval = '200ms'
ownership.flush_interval = '500ms'
log_line_prefix = '%m [%p] %b %e '
log_statement = none
END

sub hub { return sql($hub, 'postgres', $_[0]) }

#
# The tables, the systems and the map
#
my $f = join(', ', map { "f$_ text DEFAULT 'w$_:0'" } 1 .. $writers);
my $g = join(', ', map { "g$_ text DEFAULT 's$_:0'" } 1 .. $sources);
foreach my $k (1 .. $sources)
{
	sql($pub, 'postgres', "CREATE DATABASE s$k");
	sql($pub, "s$k", "CREATE TABLE item (id int PRIMARY KEY, $g);
		INSERT INTO item SELECT generate_series(1, $rows);
		CREATE PUBLICATION p FOR TABLE item WITH (publish = 'insert, update, delete')");
}
hub("CREATE EXTENSION ownership;
	CREATE TABLE item (id int PRIMARY KEY, $f, $g, o text DEFAULT 'w1:0', fl text DEFAULT 'w1:0') PARTITION BY RANGE (id);
	CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (20);
	CREATE TABLE item_high PARTITION OF item FOR VALUES FROM (20) TO (10000);
	CREATE TABLE stock (id int PRIMARY KEY, $f);
	INSERT INTO item SELECT generate_series(1, $rows);
	INSERT INTO stock SELECT generate_series(1, $rows);
	GRANT ALL ON item, stock TO PUBLIC;
	SELECT ownership.add_system('mdm', 'mdm');
	SELECT ownership.assign('item', '{id}', 'mdm'), ownership.assign('stock', '{id}', 'mdm')");
foreach my $w (1 .. $writers)
{
	hub("CREATE ROLE w$w LOGIN;
		SELECT ownership.add_system('w$w', 'other', role => 'w$w');
		SELECT ownership.assign('item', '{f$w}', 'w$w', policy => 'keep'), ownership.assign('stock', '{f$w}', 'w$w', policy => 'keep')");
}
foreach my $k (1 .. $sources)
{
	my $conn = connstr($pub, "s$k");
	hub("SELECT ownership.add_system('s$k', 'other');
		SELECT ownership.assign('item', '{g$k}', 's$k', policy => 'keep')");
	hub("CREATE SUBSCRIPTION feed$k CONNECTION '$conn' PUBLICATION p WITH (copy_data = false)");
	hub("SELECT ownership.identify('s$k', subscription => 'feed$k')");
}
hub("SELECT ownership.assign('item', '{o,fl}', 'w1', policy => 'keep');
	UPDATE ownership.field SET policy = 'reject' WHERE entity = 'item' AND name = 'fl'");
wait_for($hub, 'postgres', q{SELECT count(*) = 3 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel});

#
# A session that outlives what happens to the server.
#
$SIG{PIPE} = 'IGNORE';

sub session
{
	my ($node, $db, $user) = @_;
	my @command = ('psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr($db) . ($user ? " user=$user" : ''));
	return { command => \@command, n => 0 };
}

# run(SESSION, SQL): '' when it was done, its SQLSTATE when it failed, 'lost'
# when the connection went; and the lines of output.
sub run
{
	my ($s, $sql) = @_;
	my ($state, @lines) = ('');

	$s->{pid} //= open2($s->{out}, $s->{in}, 'sh', '-c', 'exec "$@" 2>&1', 'sh', @{ $s->{command} });
	$s->{in}->autoflush(1);
	$s->{n}++;
	print { $s->{in} } "$sql;\n\\echo =end $s->{n}\n";
	while (defined(my $line = readline $s->{out}))
	{
		chomp $line;
		# psql may well go on to its next line of input
		last if $line =~ /^server closed the connection/;
		return ($state, @lines) if $line eq "=end $s->{n}";
		if ($line =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5})/) { $state ||= $1 }
		elsif ($line !~ /^(?:NOTICE|WARNING|INFO|psql|server closed|connection to|\s)/) { push @lines, $line }
	}
	close $s->{in};
	close $s->{out};
	waitpid($s->{pid}, 0);
	delete $s->{pid};
	return ('lost', @lines);
}

# insist(SESSION, SQL): until it is done; what can be done twice.
sub insist
{
	my ($s, $sql) = @_;
	while (1)
	{
		my ($state, @lines) = run($s, $sql);
		return @lines if $state eq '';
		sleep(0.2);
	}
}

my $start = time;
my $end = $start + $seconds;
my $dir = PostgreSQL::Test::Utils::tempdir();
my %child;

# child(NAME, SUB): a process of its own; what SUB returns is kept for the end.
sub child
{
	my ($name, $body) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		srand($seed + keys %child);
		# nothing may hang
		alarm($seconds + 120);
		my $result = eval { $body->() } // { problems => [ $@ || 'no result' ] };
		nstore($result, "$dir/$name");
		POSIX::_exit(0);
	}
	$child{$pid} = $name;
	return;
}

# A writer's life.  It returns what it knows:
#   last      what it committed last in each row of its own columns
#   kept      foreign values of statements that were done
#   rejected  foreign values of statements that failed, and when
#   maybe     values of statements whose outcome it cannot tell
#   o, fl     what it wrote there: was it stored?
sub writer
{
	my ($w) = @_;
	my $s = session($hub, 'postgres', "w$w");
	my %r = (last => {}, kept => {}, rejected => {}, maybe => {}, o => {}, fl => {}, problems => [], done => 0, lost => 0, states => {});
	my $n = 0;

	while (time < $end && @{ $r{problems} } < 20)
	{
		my $table = rand() < 0.5 ? 'item' : 'stock';
		my $id = 1 + int(rand($rows));
		my $what = rand();
		my $value = 'w' . $w . ':' . ++$n;
		my ($own, $foreign);

		if ($what < 0.85) { $own = "f$w" }
		if ($what >= 0.5 && $what < 0.9)
		{
			$foreign = 'f' . (1 + ($w + int(rand($writers - 1))) % $writers);
		}
		if ($what >= 0.9) { ($table, $foreign) = ('item', $what < 0.95 ? 'o' : 'fl') }
		my @columns = grep { defined } ($own, $foreign);
		my $bad = "bad $value";
		my $set = join(', ', ($own ? "$own = '$value'" : ()), ($foreign ? "$foreign = '$bad'" : ()));
		my $before = $r{last}{"$table $id"} // "w$w:0";
		my ($state, @lines) = run($s, "UPDATE $table SET $set WHERE id = $id RETURNING " . join(', ', @columns));
		my $then = time;

		$r{states}{$state}++ if $state ne '';
		if ($state eq 'lost')
		{
			$r{lost}++;
			$r{maybe}{$bad} = 1 if $foreign;
			if ($own)
			{
				my ($stored) = insist($s, "SELECT CASE WHEN to_jsonb(t) ? 'f$w' THEN to_jsonb(t)->>'f$w' ELSE to_jsonb(t)->>'f${w}_r' END FROM (SELECT * FROM $table WHERE id = $id) t");
				$stored //= '(no row)';
				if ($stored eq $value)
				{
					$r{last}{"$table $id"} = $value;
					$r{kept}{$bad} = [ $table, $id, $foreign ] if $foreign;
				}
				elsif ($stored ne $before)
				{
					push @{ $r{problems} }, "$table $id f$w: $stored, neither $value nor $before";
				}
				# it is known: what was refused came with the row, or not at all
				delete $r{maybe}{$bad} if $stored eq $value;
			}
		}
		elsif ($state eq '')
		{
			my @got = split /\|/, $lines[0] // '';
			$r{done}++;
			push @{ $r{problems} }, "$table $id: @lines returned for $set" if @lines != 1 || @got != @columns;
			if ($own)
			{
				push @{ $r{problems} }, "$table $id: $got[0] is stored of $set" if ($got[0] // '') ne $value;
				$r{last}{"$table $id"} = $value;
			}
			if ($foreign && $foreign =~ /^f\d/)
			{
				push @{ $r{problems} }, "$table $id: $got[-1] is stored of $set" if ($got[-1] // '') eq $bad;
				$r{kept}{$bad} = [ $table, $id, $foreign ];
			}
			elsif ($foreign) { $r{$foreign}{$bad} = [ $id, ($got[-1] // '') eq $bad ] }
		}
		elsif ($state eq '42501')
		{
			push @{ $r{problems} }, "its own column was rejected: $set" if !$foreign;
			$r{rejected}{$bad} = $then if $foreign;
		}
		# a table or column that is renamed just now; a server that starts or stops
		elsif ($state !~ /^(?:42703|42P01|57P0[123])$/)
		{
			push @{ $r{problems} }, "$state: UPDATE $table SET $set";
		}
		sleep(0.03 + rand(0.06));
	}
	return \%r;
}

# A source's: its own column, and at times another source's.
sub source
{
	my ($k) = @_;
	my $s = session($pub, "s$k");
	my %r = (sent => {}, problems => [], done => 0);
	my $n = 0;

	while (time < $end)
	{
		my $id = 1 + int(rand($rows));
		my $value = 's' . $k . ':' . ++$n;
		my $set = "g$k = '$value'";

		if (rand() < 0.3)
		{
			my $other = 1 + ($k + int(rand($sources - 1))) % $sources;
			$set .= ", g$other = 'bad $value'";
			$r{sent}{"bad $value"} = 1;
		}
		my ($state) = run($s, "UPDATE item SET $set WHERE id = $id");
		push @{ $r{problems} }, "$state: $set" if $state ne '';
		$r{done}++;
		sleep(0.03 + rand(0.06));
	}
	return \%r;
}

# The map: every second, a few fields.
sub mapper
{
	my $s = session($hub, 'postgres');
	my %r = (done => 0, states => {}, problems => []);
	my @policies = qw(reject keep fill);

	while (time < $end)
	{
		my @edits;
		foreach (1 .. 4)
		{
			my $field = rand() < 0.7 ? 'f' . (1 + int(rand($writers))) : 'g' . (1 + int(rand($sources)));
			my $entity = $field =~ /^g/ || rand() < 0.5 ? 'item' : 'stock';
			push @edits, "UPDATE ownership.field SET policy = '$policies[rand @policies]' WHERE entity = '$entity' AND name = '$field'";
		}
		push @edits, "UPDATE ownership.field SET policy = '" . (qw(observe reject keep))[ rand 3 ] . "' WHERE entity = 'item' AND name = 'o'";
		push @edits, "UPDATE ownership.field SET owner = 'w" . (1 + int(rand($writers))) . "' WHERE entity = 'item' AND name = 'fl'";
		foreach my $edit (@edits)
		{
			my ($state) = run($s, $edit);
			$r{states}{$state}++ if $state ne '';
			$r{done}++ if $state eq '';
			push @{ $r{problems} }, "$state: $edit" if $state !~ /^(?:|lost|57P0[123])$/;
		}
		sleep(1);
	}
	return \%r;
}

# DDL: each step can be taken again after it was interrupted.
my $renew = q{CREATE TABLE stock_new (LIKE stock_old INCLUDING ALL);
	GRANT ALL ON stock_new TO PUBLIC;
	INSERT INTO stock_new SELECT * FROM stock_old};

sub ddl
{
	my $s = session($hub, 'postgres');
	my %r = (done => 0, states => {}, problems => []);
	my $step = sub {
		my ($sql, $done) = @_;
		while (1)
		{
			my ($state) = run($s, $sql);
			if ($state eq '') { $r{done}++; return }
			$r{states}{$state}++;
			push @{ $r{problems} }, "$state: $sql" if $state !~ /^(?:lost|57P0[123])$/;
			return if @{ $r{problems} } > 5;
			sleep(0.3);
			# an error leaves a transaction open, a lost connection does not
			my ($is) = insist($s, "ROLLBACK; SELECT $done");
			return if $is eq 't';
		}
	};
	my $column = sub { return "EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('$_[0]') AND attname = '$_[1]' AND NOT attisdropped)" };
	my @ddl = (
		sub {
			$step->('ALTER TABLE stock RENAME f8 TO f8_r', $column->('stock', 'f8_r'));
			sleep(0.5);
			$step->('ALTER TABLE stock RENAME f8_r TO f8', $column->('stock', 'f8'));
		},
		sub {
			$step->('ALTER TABLE item ADD extra text', $column->('item', 'extra'));
			sleep(0.5);
			$step->('ALTER TABLE item DROP extra', 'NOT ' . $column->('item', 'extra'));
		},
		sub {	# in one transaction; whether it was done is told by the OID
			my ($was) = insist($s, q{SELECT 'stock'::regclass::oid});
			$step->("BEGIN; LOCK TABLE stock; ALTER TABLE stock RENAME TO stock_old; $renew;
				ALTER TABLE stock_new RENAME TO stock; DROP TABLE stock_old; COMMIT", "'stock'::regclass::oid <> $was");
		},
		sub {	# in several
			$step->('ALTER TABLE stock RENAME TO stock_old', q{to_regclass('stock_old') IS NOT NULL});
			$step->("BEGIN; $renew; COMMIT", q{to_regclass('stock_new') IS NOT NULL});
			$step->('ALTER TABLE stock_new RENAME TO stock', q{to_regclass('stock') IS NOT NULL});
			$step->('DROP TABLE stock_old', q{to_regclass('stock_old') IS NULL});
		});
	my $next = 0;

	while (time < $end - 3)
	{
		sleep($ddl_every - 1 + rand(2));
		$ddl[ $next++ % @ddl ]->();
	}
	return \%r;
}

foreach my $w (1 .. $writers) { child("w$w", sub { writer($w) }) }
foreach my $k (1 .. $sources) { child("s$k", sub { source($k) }) }
child('map', \&mapper);
child('ddl', \&ddl);

#
# Meanwhile: restarts, kills, and how much memory the hub's processes have.
#
my %memory;		# by pid: since, what, base, last

sub sample
{
	open(my $file, '<', $hub->data_dir . '/postmaster.pid') or return;
	my $postmaster = <$file> // '';
	close $file;
	chomp $postmaster;
	return if $postmaster !~ /^\d+$/;
	foreach my $pid (split ' ', `ps --ppid $postmaster -o pid=`)
	{
		open(my $status, '<', "/proc/$pid/status") or next;
		my ($kb) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
		close $status;
		next if !defined $kb;
		my $m = $memory{$pid} //= { since => time, what => `ps -p $pid -o args=` =~ s/\s+$//r };
		$m->{base} //= $kb if time - $m->{since} >= $warm;
		($m->{last}, $m->{until}) = ($kb, time);
	}
	return;
}

my @disturbed;
my ($kills, $restarts) = (0, 0);
my $next = $start + $disturb_every;
# one of each at least, however slow the machine is
while (time < $end || (time < $end + 60 && !($kills && $restarts)))
{
	sample() if -d '/proc/self';
	if (time >= $next && (time < $start + $calm || !($kills && $restarts)))
	{
		push @disturbed, time;
		if (@disturbed % 2)
		{
			my (undef, $pid) = $hub->psql('postgres', q{SELECT pid FROM pg_stat_activity
				WHERE backend_type IN ('client backend', 'logical replication worker', 'ownership worker')
					AND pid <> pg_backend_pid() AND datname = 'postgres' ORDER BY random() LIMIT 1});
			$kills++ if $pid && kill(9, $pid);
		}
		else
		{
			$hub->stop($restarts++ % 2 ? 'fast' : 'immediate');
			$hub->start;
		}
		$next += $disturb_every;
	}
	sleep($long ? 2 : 0.5);
}
my %result;
foreach my $pid (keys %child)
{
	my $name = $child{$pid};
	waitpid($pid, 0);
	$result{$name} = -e "$dir/$name" ? retrieve("$dir/$name") : { problems => [ "$name ended with $?" ] };
}
sample() if -d '/proc/self';

#
# The account
#
ok($kills > 0 && $restarts > 0, "disturbed: $kills backends killed, $restarts restarts");
foreach my $name (sort keys %result)
{
	my $r = $result{$name};
	is_deeply($r->{problems}, [], "$name: no surprise");
	diag("$name: $_") foreach @{ $r->{problems} };
	note("$name: $r->{done} done, " . join(', ', map { "$_ $r->{states}{$_}" } sort keys %{ $r->{states} // {} }));
	cmp_ok($r->{done} // 0, '>', 0, "$name: it did something");
}

wait_for($hub, 'postgres', 'SELECT true');
foreach my $k (1 .. $sources)
{
	eval { $pub->wait_for_catchup("feed$k"); 1 } or diag($@);
	is(hub("SELECT id, g$k FROM item ORDER BY id"), sql($pub, "s$k", "SELECT id, g$k FROM item ORDER BY id"), "feed$k: the hub holds what the source does");
}
is(hub('SELECT sum(apply_error_count) + sum(sync_error_count) FROM pg_stat_subscription_stats'), '0', 'no stream had an error since the last crash');

foreach my $w (1 .. $writers)
{
	foreach my $table (qw(item stock))
	{
		my @expected = map { "$_|" . ($result{"w$w"}{last}{"$table $_"} // "w$w:0") } 1 .. $rows;
		is(hub("SELECT id, f$w FROM $table ORDER BY id"), join("\n", @expected), "$table.f$w holds the last values that its owner committed");
	}
}

# evidence, by value
hub('SELECT ownership.flush()');
my (%outcome, %times);
foreach (split /\n/, hub(q{SELECT c.outcome, c.table_name, v.key, coalesce(c.row_key->>'id', c.row_key::text), v.value FROM ownership.conflict c, jsonb_each_text(c.proposed) v WHERE v.value LIKE 'bad %'}))
{
	my ($outcome, $table, $column, $id, $value) = split /\|/;
	$outcome{$value} = $outcome;
	$times{$value}++;
}
my @twice = grep { $times{$_} > 1 } sort keys %times;
is("@twice[0 .. ($#twice > 9 ? 9 : $#twice)]", '', 'no value is in evidence twice');

my (%known, @lacking, @wrong, @forgotten, $kept, $rejected, $excused);
foreach my $w (map { "w$_" } 1 .. $writers)
{
	my $r = $result{$w};
	$known{$_} = 1 foreach map { keys %{ $r->{$_} } } qw(kept rejected maybe o fl);
	foreach (keys %{ $r->{kept} })
	{
		$kept++;
		push @lacking, $_ if ($outcome{$_} // '') ne 'kept';
	}
	foreach my $value (keys %{ $r->{rejected} })
	{
		my $at = $r->{rejected}{$value};
		$rejected++;
		if (!$outcome{$value})
		{
			# a crash may lose what was not written yet
			if (grep { $at > $_ - 3 && $at < $_ + 5 } @disturbed) { $excused++ }
			else { push @forgotten, $value }
		}
		elsif ($outcome{$value} ne 'rejected') { push @wrong, "$value $outcome{$value}, but it was rejected" }
	}
	foreach my $value (keys %{ $r->{o} })
	{
		my $expected = $w eq 'w1' ? 'none' : $r->{o}{$value}[1] ? 'observed' : 'kept';
		my $is = $outcome{$value} // 'none';
		push @wrong, "o: $value $is, expected $expected" if $is ne $expected;
	}
	foreach my $value (keys %{ $r->{fl} })
	{
		push @wrong, "fl: $value $outcome{$value}, but it was allowed" if $outcome{$value};
		push @wrong, "fl: $value was not stored" if !$r->{fl}{$value}[1];
	}
}
note("$kept values kept out, $rejected rejected (" . ($excused // 0) . ' of these lost with a crash)');
cmp_ok($kept, '>', 0, 'values were kept out');
cmp_ok($rejected, '>', 0, 'values were rejected');
is("@lacking[0 .. ($#lacking > 9 ? 9 : $#lacking)]", '', 'what was kept out is in evidence');
is("@forgotten[0 .. ($#forgotten > 9 ? 9 : $#forgotten)]", '', 'what was rejected is, too');
is(join("\n", @wrong[0 .. ($#wrong > 9 ? 9 : $#wrong)]), '', 'evidence says what happened');

my @lost;
foreach my $k (1 .. $sources)
{
	$known{$_} = 1 foreach keys %{ $result{"s$k"}{sent} };
	push @lost, grep { ($outcome{$_} // '') ne 'kept' } sort keys %{ $result{"s$k"}{sent} };
}
is("@lost[0 .. ($#lost > 9 ? 9 : $#lost)]", '', 'what the sources were refused is in evidence');
my @invented = grep { !$known{$_} } sort keys %outcome;
is("@invented[0 .. ($#invented > 9 ? 9 : $#invented)]", '', 'nothing else is');

my $any = join(' OR ', (map { "f$_ LIKE 'bad %'" } 1 .. $writers), (map { "g$_ LIKE 'bad %'" } 1 .. $sources));
is(hub("SELECT count(*) FROM item WHERE $any"), '0', 'no foreign value is stored in item');
is(hub('SELECT count(*) FROM stock WHERE ' . join(' OR ', map { "f$_ LIKE 'bad %'" } 1 .. $writers)), '0', 'nor in stock');
my @strange = grep { $_ ne 'w1:0' && ($outcome{$_} // '') ne 'observed' && !$result{w1}{o}{$_} && !$result{w1}{maybe}{$_} } split /\n/, hub('SELECT o FROM item');
is("@strange", '', 'what is stored under observe is the owner\'s, or observed');
@strange = grep { my $v = $_; $v ne 'w1:0' && !grep { $result{"w$_"}{fl}{$v} || $result{"w$_"}{maybe}{$v} } 1 .. $writers } split /\n/, hub('SELECT fl FROM item');
is("@strange", '', 'what is stored where the owner changes was allowed');

# the map came through, too
is(hub('SELECT relation, guarded FROM ownership.guards ORDER BY 1'), "item|t\nstock|t", 'both tables are guarded');
is(hub(q{SELECT risk, relation, detail FROM ownership.risks WHERE risk IN ('unguarded', 'broken_mirror', 'unidentified_feed', 'unknown_identity')}), '', 'no risk is left');
is(hub('SELECT count(*) FROM ownership.ddl_queue'), '0', 'no DDL waits');
is(hub('SELECT fact, value FROM ownership.status WHERE fact ~ $$dropped$$ AND value::text <> $$0$$'), '', 'nothing was dropped');

# memory
my @grown;
my ($measured, $most) = (0, 0);
foreach my $m (values %memory)
{
	next if !defined $m->{base} || $m->{until} - $m->{since} < 2 * $warm;
	my $growth = $m->{last} - $m->{base};
	$measured++;
	$most = $growth if $growth > $most;
	push @grown, "$m->{what}: $m->{base} kB after $warm s, $m->{last} kB after " . int($m->{until} - $m->{since}) . ' s' if $growth > 3072;
}
note("$measured processes measured, the most that one grew after its first $warm s: $most kB");
is(join("\n", @grown), '', 'memory is flat');

my $log = slurp_file($hub->logfile);
my @bad = grep { /PANIC|TRAP:|\bXX\d\d\d\b|leak|was not closed|signal 11|signal 6/ } split /\n/, $log;
is(join("\n", @bad[0 .. ($#bad > 9 ? 9 : $#bad)]), '', 'the log tells of no internal error');

$hub->stop;
$pub->stop;
done_testing();
