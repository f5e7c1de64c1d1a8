# Failover: a hub of three Patroni nodes with etcd, one of them a synchronous standby,
# behind PgBouncer (transactions) and HAProxy (Patroni's health checks). SQL writers go
# through the pooler; an ERP and a PIM feed by logical replication. The leader is killed
# OWNERSHIP_KILLS times, in turn the whole node and PostgreSQL alone. At the end the hub
# holds what the writers know to have committed, the evidence what they know to have been
# refused, once, and the counters all but one interval for each kill.
#
# Each value is unique, so that it can be accounted for; a foreign one begins with "bad".
#   f1 .. f4  of item: each is one writer's own; foreign values are kept out
#   m1, m2    two systems of one role, by SET LOCAL ownership.system; the same
#   price     the ERP's, by feed: SQL writers are rejected, the PIM is kept out
#   segment   the CRM's, which does not write
#   title     the PIM's, by feed: everybody else is kept out
# Rows 500 .. 509 are deleted and created again by the ERP: what others had in them is
# remembered. Rows from 1000 on come from the PIM first: what it says of them is parked.
# The titles of rows 600 .. 604 are pinned, while the PIM sends its own again and again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../t/lib";
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;
use List::Util qw(min max sum0);
use Ownership;
use POSIX ();
use PostgreSQL::Test::Utils;
use Storable qw(nstore retrieve);
use Test::More;
use Time::HiRes qw(sleep time);

my $kills = $ENV{OWNERSHIP_KILLS};
my $feed_commit = $ENV{OWNERSHIP_FEED_COMMIT};
my $seed = $ENV{OWNERSHIP_SEED} || $$;
my $interval = 1;			# ownership.flush_interval, in seconds
my ($writers, $rows) = (4, 40);
my $patience = 120;			# for what must come to pass, in seconds
my $dir = "$PostgreSQL::Test::Utils::tmp_check/ha";
my $logs = $PostgreSQL::Test::Utils::log_path;
my $bindir = `pg_config --bindir`;
chomp $bindir;
note("OWNERSHIP_SEED=$seed");
srand($seed);
mkdir $dir or die "$dir: $!";

#
# Programs, each a process of its own; all end with this one.
#
my %program;	# name: process id
my $parent = $$;

sub start
{
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		POSIX::setsid();
		open(STDOUT, '>>', "$logs/ha_$name.log");
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}
	$program{$name} = $pid;
	return;
}

sub postmaster
{
	my ($node) = @_;
	open(my $file, '<', "$dir/$node/postmaster.pid") or return ();
	my ($pid) = map { /^(\d+)$/ ? $1 : () } scalar <$file> // '';
	# a file that a dead server left
	return $pid && kill(0, $pid) && -e "/proc/$pid" && readlink("/proc/$pid/cwd") eq "$dir/$node" ? $pid : ();
}

# a server's processes, the postmaster first
sub server
{
	my ($node) = @_;
	return map { ($_, split ' ', `ps --ppid $_ -o pid=`) } postmaster($node);
}

END
{
	if ($$ == $parent)
	{
		my $status = $?;
		kill('KILL', values %program, map { server($_) } qw(n1 n2 n3));
		$? = $status;
	}
}

# waits until SUB returns something true, and returns that
sub until_true
{
	my ($what, $sub) = @_;
	my $end = time + $patience;
	while (time < $end)
	{
		my $value = eval { $sub->() };
		return $value if $value;
		sleep(0.2);
	}
	die "timed out: $what\n";
}

my @nodes = map { "n$_" } 1 .. 3;
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() }
	(map { ($_, "$_ rest") } @nodes), qw(etcd peer haproxy standbys pgbouncer);
my $http = HTTP::Tiny->new(timeout => 3);

sub write_file
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name", $text);
	return "$dir/$name";
}

start('etcd', 'etcd', '--name', 'e', '--data-dir', "$dir/etcd", '--listen-client-urls', "http://127.0.0.1:$port{etcd}",
	'--advertise-client-urls', "http://127.0.0.1:$port{etcd}", '--listen-peer-urls', "http://127.0.0.1:$port{peer}",
	'--initial-advertise-peer-urls', "http://127.0.0.1:$port{peer}", '--initial-cluster', "e=http://127.0.0.1:$port{peer}");
until_true('etcd', sub { $http->get("http://127.0.0.1:$port{etcd}/health")->{success} });

my $conf = write_file('custom.conf', ($ENV{OWNERSHIP_CONF} ? slurp_file($ENV{OWNERSHIP_CONF}) : '') . <<END);
shared_preload_libraries = 'ownership'
ownership.flush_interval = '${interval}s'
shared_buffers = 32MB
wal_retrieve_retry_interval = '500ms'
max_logical_replication_workers = 8
END
foreach my $node (@nodes)
{
	start_node($node, write_file("$node.yml", <<END));
scope: hub
name: $node
restapi: {listen: "127.0.0.1:$port{"$node rest"}", connect_address: "127.0.0.1:$port{"$node rest"}"}
etcd3: {host: "127.0.0.1:$port{etcd}"}
bootstrap:
  dcs:
    ttl: 8
    loop_wait: 2
    retry_timeout: 3
    synchronous_mode: true
    master_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      parameters: {wal_log_hints: "on", max_worker_processes: 20, max_connections: 60, wal_level: logical, max_wal_senders: 10, max_replication_slots: 10}
  initdb: [{encoding: UTF8}, no-locale]
postgresql:
  listen: "127.0.0.1:$port{$node}"
  connect_address: "127.0.0.1:$port{$node}"
  data_dir: $dir/$node
  bin_dir: $bindir
  pgpass: $dir/$node.pgpass
  custom_conf: $conf
  authentication: {superuser: {username: postgres}, replication: {username: postgres}, rewind: {username: postgres}}
  parameters: {unix_socket_directories: ''}
  pg_hba: [host all all 127.0.0.1/32 trust, host replication all 127.0.0.1/32 trust]
END
}

sub start_node
{
	my ($node) = @_;
	start($node, 'patroni', "$dir/$node.yml");
	return;
}

# What Patroni says of its members: name => [ role, state ].
sub members
{
	foreach my $node (@nodes)
	{
		my $answer = $http->get("http://127.0.0.1:$port{\"$node rest\"}/cluster");
		return map { $_->{name} => [ $_->{role}, $_->{state} ] } @{ decode_json($answer->{content})->{members} } if $answer->{success};
	}
	return ();
}

# the node that says itself that it leads
sub leader
{
	my @leaders = grep { $http->get("http://127.0.0.1:$port{\"$_ rest\"}/primary")->{success} } @nodes;
	return @leaders == 1 ? $leaders[0] : '';
}

# all three run, and one of the two standbys is synchronous
sub healthy
{
	my %is = members();
	my @roles = sort map { $_->[0] } values %is;
	return "@roles" eq 'leader replica sync_standby' && !grep { $_->[1] !~ /^(running|streaming)$/ } values %is;
}

write_file('haproxy.cfg', join("\n", 'global', '  maxconn 300', 'defaults', '  mode tcp', '  timeout connect 2s', '  timeout client 1h',
	'  timeout server 1h', '  timeout check 2s',
	map {
		my ($name, $check) = @$_;
		("listen $name", "  bind 127.0.0.1:$port{$name}", "  option httpchk GET /$check", '  http-check expect status 200',
			'  default-server inter 500 fall 2 rise 1 on-marked-down shutdown-sessions',
			map { "  server $_ 127.0.0.1:$port{$_} check port $port{\"$_ rest\"}" } @nodes)
	} ([ 'haproxy', 'primary' ], [ 'standbys', 'replica' ])) . "\n");
start('haproxy', 'haproxy', '-db', '-f', "$dir/haproxy.cfg");
write_file('users.txt', join('', map { qq{"$_" ""\n} } 'postgres', 'middleware', map { "w$_" } 1 .. $writers));
write_file('pgbouncer.ini', <<END);
[databases]
postgres = host=127.0.0.1 port=$port{haproxy} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port{pgbouncer}
unix_socket_dir =
auth_type = trust
auth_file = $dir/users.txt
pool_mode = transaction
default_pool_size = 2
server_login_retry = 1
server_connect_timeout = 3
query_wait_timeout = 20
END
start('pgbouncer', 'pgbouncer', '-q', "$dir/pgbouncer.ini");
until_true('three nodes', \&healthy);

# SQL on the leader, by its own port
sub conn { return "host=127.0.0.1 port=$_[0] dbname=postgres user=" . ($_[1] // 'postgres') }

sub ask
{
	my ($port, $sql) = @_;
	my ($in, $out, $err) = ($sql, '', '');
	my $ok = IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', conn($port) ], '<', \$in, '>', \$out, '2>', \$err);
	die "$sql: $err" if !$ok;
	chomp $out;
	return $out;
}
sub hub { my ($sql) = @_; return until_true($sql, sub { my $l = leader(); [ ask($port{$l}, $sql) ] if $l })->[0] }

# as hub(), for what may not be done twice: an error ends the test
sub hub_once { return ask($port{ until_true('a leader', \&leader) }, $_[0]) }

#
# Sources, tables, systems, the map
#
my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\nshared_buffers = 32MB\n");
foreach ([ 'erp', 'price', 'title' ], [ 'pim', 'title', 'price' ])
{
	my ($db, $own, $other) = @$_;
	sql($pub, 'postgres', "CREATE DATABASE $db");
	sql($pub, $db, "CREATE TABLE item (id int PRIMARY KEY, $own text, $other text);
		INSERT INTO item SELECT i, '$db:0' FROM (SELECT generate_series(1, $rows) UNION ALL SELECT generate_series(500, 509) UNION ALL SELECT generate_series(600, 604)) s(i);
		CREATE PUBLICATION p FOR TABLE item WITH (publish = 'insert, update, delete')");
}
my @f = map { "f$_" } 1 .. $writers;
my @own = (@f, 'm1', 'm2');
hub_once("CREATE EXTENSION ownership;
	CREATE ROLE middleware LOGIN;
	GRANT SET ON PARAMETER \"ownership.system\" TO middleware;
	CREATE TABLE item (id int PRIMARY KEY, price text, title text, segment text, " . join(', ', map { "$_ text" } @own) . ");
	INSERT INTO item SELECT i, 'erp:0', 'pim:0', NULL" . (", 'own:0'" x @own) . " FROM generate_series(1, $rows) i;
	INSERT INTO item (id, price, title, segment) SELECT i, 'erp:0', 'pim:0', 'crm:0' FROM (SELECT generate_series(500, 509) UNION ALL SELECT generate_series(600, 604)) s(i);
	GRANT ALL ON item TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'), ownership.add_system('steward', 'mdm');
	SELECT ownership.add_system('crm', 'crm'), ownership.assign('item', '{segment}', 'crm', policy => 'keep');
	SELECT ownership.add_system('m1', 'other'), ownership.add_system('m2', 'other');
	SELECT ownership.identify('steward', role => 'postgres', steward => true);
	SELECT ownership.assign('item', '{id}', 'erp', policy => 'keep'), ownership.assign('item', '{price}', 'erp', policy => 'reject'),
		ownership.assign('item', '{title}', 'pim', policy => 'keep'), ownership.assign('item', '{m1}', 'm1', policy => 'keep'), ownership.assign('item', '{m2}', 'm2', policy => 'keep')");
hub_once("CREATE ROLE w$_ LOGIN; SELECT ownership.add_system('w$_', 'other', role => 'w$_'); SELECT ownership.assign('item', '{f$_}', 'w$_', policy => 'keep')") foreach 1 .. $writers;
foreach my $db ('erp', 'pim')
{
	hub_once("CREATE SUBSCRIPTION $db CONNECTION '" . connstr($pub, $db) . "' PUBLICATION p WITH (copy_data = false, synchronous_commit = '$feed_commit')");
	hub_once("SELECT ownership.identify('$db', subscription => '$db')");
}
hub_once("SELECT ownership.pin_value('item', jsonb_build_object('id', i), 'title', 'held', reason => 'test') FROM generate_series(600, 604) i");
until_true('the feeds', sub { hub(q{SELECT count(*) = 2 AND bool_and(latest_end_time IS NOT NULL) FROM pg_stat_subscription}) eq 't' });

#
# A session that outlives what happens to the server.
#
$SIG{PIPE} = 'IGNORE';

sub session { return { command => [ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $_[0] ], n => 0 } }

# run(SESSION, SQL): '' when it was done, its SQLSTATE when it failed, 'lost' when the
# connection went; and the lines of output.
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
		last if $line =~ /^(?:server closed the connection|connection to server was lost)/;
		# the pooler's, which then closes the connection
		last if $line =~ /^FATAL|: error: connection/ || $line =~ /(?:ERROR|FATAL):\s+08/;
		return ($state, @lines) if $line eq "=end $s->{n}";
		if ($line =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5})/) { $state ||= $1 }
		elsif ($line !~ /^(?:NOTICE|WARNING|INFO|psql|\s)/) { push @lines, $line }
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

my $stop = "$dir/stop";		# a file: the children end when it is there
my %child;

sub child
{
	my ($name, $body) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		srand($seed + keys %child);
		# nothing may hang
		alarm(120 + 90 * $kills);
		my $result = eval { $body->() } // { problems => [ $@ || 'no result' ] };
		nstore($result, "$dir/$name");
		POSIX::_exit(0);
	}
	$child{$pid} = $name;
	return;
}

# A writer's life: $pick returns its own column, the system that it is, and what its
# statement stands between. It returns what it knows:
#   last      what it committed last in each row of each of its own columns
#   done      when it committed a write of each of its columns
#   kept, rejected  foreign values that were refused, and when
#   maybe     values, and writes, of statements whose outcome it cannot tell
sub writer
{
	my ($name, $role, $pick) = @_;
	my $s = session(conn($port{pgbouncer}, $role));
	my %r = (last => {}, done => {}, kept => {}, rejected => {}, maybe => {}, doubts => {}, problems => [], lost => 0, states => {}, commits => []);
	my $n = 0;

	while (!-e $stop && @{ $r{problems} } < 20)
	{
		my $id = 1 + int(rand($rows));
		my ($own, $system, $before, $after) = $pick->();
		my $value = "$name:" . ++$n;
		my $bad = "bad $value";
		my $what = rand();
		my @others = grep { $_ ne $own } @own, 'title';
		my $foreign = $what < 0.5 ? undef : $what < 0.85 ? $others[ rand @others ] : 'price';
		my $had = $r{last}{"$own $id"} // 'own:0';
		my ($state, @lines) = run($s, "${before}UPDATE item SET $own = '$value'" . ($foreign ? ", $foreign = '$bad'" : '')
			. " WHERE id = $id RETURNING ownership.current_system(), $own, " . ($foreign // 'NULL') . $after);
		my $then = time;
		my $done = sub {
			push @{ $r{done}{$own} }, $_[0];
			$r{last}{"$own $id"} = $value;
			$r{kept}{$bad} = $then if $foreign;
		};

		$r{states}{$state}++ if $state ne '';
		if ($state eq '')
		{
			my ($is, $stored, $other) = split /\|/, $lines[0] // '', -1;
			push @{ $r{problems} }, "it is $is, not $system" if $is ne $system;
			push @{ $r{problems} }, "$id: @lines of $own = $value" if @lines != 1 || $stored ne $value || $other eq $bad;
			push @{ $r{problems} }, "price was written: @lines" if ($foreign // '') eq 'price';
			$done->($then);
			push @{ $r{commits} }, $then;
		}
		elsif ($state eq '42501')
		{
			push @{ $r{problems} }, "rejected: $own, " . ($foreign // '') if ($foreign // '') ne 'price';
			$r{rejected}{$bad} = $then;
		}
		elsif ($state eq 'lost')
		{
			# the row's lock waits for what is still under way
			my ($stored) = insist($s, "${before}SELECT $own FROM item WHERE id = $id FOR UPDATE$after");
			$r{lost}++;
			if ($stored eq $value) { $done->($then) }
			elsif ($stored ne $had) { push @{ $r{problems} }, "$id $own: $stored, neither $value nor $had" }
			# an error leaves evidence, too, and the count of a rejected attempt
			$r{maybe}{$bad} = 1 if $foreign;
		}
		# servers that start, stop, or are not the leader any more
		elsif ($state !~ /^(?:57P0[123]|25006)$/)
		{
			push @{ $r{problems} }, "$state: $own, " . ($foreign // '');
		}
		sleep(0.05 + rand(0.1));
	}
	return \%r;
}

# A source's life: its own column, and at times the other's; and what makes rows.
sub source
{
	my ($db, $own, $other, $further) = @_;
	my $s = session($pub->connstr($db));
	my %r = (sent => {}, problems => []);
	my $n = 0;

	while (!-e $stop)
	{
		my $id = 1 + int(rand($rows));
		my $value = "$db:" . ++$n;
		my $set = "$own = '$value'";

		if (rand() < 0.3)
		{
			$set .= ", $other = 'bad $value'";
			$r{sent}{"bad $value"} = 1;
		}
		foreach my $sql ("UPDATE item SET $set WHERE id = $id", $further->($n))
		{
			my ($state) = run($s, $sql);
			push @{ $r{problems} }, "$state: $sql" if $state ne '';
		}
		$r{done} = $n;
		sleep(0.05 + rand(0.1));
	}
	# all rows are there again, and the PIM's are created
	run($s, $_) foreach $further->(0);
	return \%r;
}

foreach my $w (1 .. $writers) { child("w$w", sub { writer("w$w", "w$w", sub { return ("f$w", "w$w", '', '') }) }) }
child('middleware', sub {
	writer('mw', 'middleware', sub { my $m = 'm' . (1 + int(rand(2))); return ($m, $m, "BEGIN; SET LOCAL ownership.system = '$m'; ", '; COMMIT') });
});
# the PIM's 1000th row of every 20 updates waits for the ERP until it has made 60 more
child('pim', sub {
	source('pim', 'title', 'price', sub {
		my ($n) = @_;
		return () if $n == 0;
		return "UPDATE item SET title = title WHERE id = " . (600 + $n % 5) if $n % 10 == 5;
		return $n % 20 ? () : "INSERT INTO item (id, title) VALUES (" . (1000 + $n / 20) . ", 'pim new $n')";
	});
});
child('erp', sub {
	my (%gone, $created);
	source('erp', 'price', 'title', sub {
		my ($n) = @_;
		return (sort map { "INSERT INTO item (id, price) VALUES ($_, 'erp back')" } keys %gone) if $n == 0;
		my $id = 500 + ($n / 15) % 10;
		return "INSERT INTO item (id, price) VALUES (" . (1000 + ($n - 60) / 20) . ", 'erp new')" if $n > 60 && $n % 20 == 0;
		return () if $n % 15;
		if ($gone{$id}) { delete $gone{$id}; return "INSERT INTO item (id, price) VALUES ($id, 'erp back')" }
		$gone{$id} = 1;
		return "DELETE FROM item WHERE id = $id";
	});
});

#
# The leader dies, again and again.
#
my (@killed, @promoted, @fed, @whole);
my $lost = '';
eval {
	foreach my $k (1 .. $kills)
	{
		until_true('a healthy cluster', \&healthy);
		sleep(4 + rand(4));
		my $node = until_true('a leader', \&leader);
		my $machine = $k % 2;
		my @pids = ((map { server($_) } $node), $machine ? $program{$node} : ());
		push @killed, time;
		kill('KILL', $machine ? $program{$node} : (), $machine ? @pids : $pids[0]);
		waitpid($program{$node}, 0) if $machine;
		my $new = until_true("a leader after $node", sub { my $l = leader(); $l ne $node ? $l : '' });
		push @promoted, time - $killed[-1];
		start_node($node) if $machine;
		until_true('the feeds', sub { ask($port{$new}, "SELECT count(*) = 2 AND bool_and(latest_end_time > to_timestamp($killed[-1])) FROM pg_stat_subscription") eq 't' });
		push @fed, time - $killed[-1];
		until_true('a healthy cluster', \&healthy);
		push @whole, time - $killed[-1];
		note(sprintf('%s of %s killed: %s leads after %.1f s, the feeds go on after %.1f s, three nodes again after %.1f s',
			$machine ? 'all' : 'PostgreSQL', $node, $new, $promoted[-1], $fed[-1], $whole[-1]));
	}
	sleep(4);
	1;
} or $lost = $@;
is($lost, '', 'each time another node leads, and the feeds go on');
write_file('stop', '');
my %result;
while (keys %child)
{
	my $pid = waitpid(-1, 0);
	last if $pid <= 0;
	my $name = delete $child{$pid} // next;
	$result{$name} = -e "$dir/$name" ? retrieve("$dir/$name") : { problems => [ "$name ended with $?" ] };
}
is(scalar @killed, $kills, "the leader was killed $kills times");

#
# The account
#
my @sql = ((map { "w$_" } 1 .. $writers), 'middleware');
foreach my $name (sort keys %result)
{
	my $r = $result{$name};
	is_deeply($r->{problems}, [], "$name: no surprise");
	diag("$name: $_") foreach @{ $r->{problems} };
}
note("$_: " . sum0(map { scalar @$_ } values %{ $result{$_}{done} }) . " done, $result{$_}{lost} in doubt, " . join(', ', map { "$_ $result{$_}{states}{$_}" } sort keys %{ $result{$_}{states} })) foreach @sql;

foreach my $db ('erp', 'pim')
{
	my $lsn = sql($pub, $db, 'SELECT pg_current_wal_lsn()');
	eval { until_true("$db has caught up", sub { sql($pub, $db, "SELECT confirmed_flush_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = '$db'") eq 't' }) } or diag($@);
}
my $leader = leader();
foreach ([ 'erp', 'price', '' ], [ 'pim', 'title', 'AND id NOT BETWEEN 600 AND 604 AND id IN (SELECT generate_series(1, 2000))' ])
{
	my ($db, $own, $but) = @$_;
	my %is = map { split /\|/, $_, 2 } split /\n/, hub("SELECT id, $own FROM item WHERE true $but");
	my %should = map { split /\|/, $_, 2 } split /\n/, sql($pub, $db, "SELECT id, $own FROM item WHERE true $but");
	my @differ = grep { ($is{$_} // 'no row') ne $should{$_} } grep { $db eq 'erp' || exists $is{$_} } sort { $a <=> $b } keys %should;
	is(join(', ', map { "$_: $should{$_}, not " . ($is{$_} // 'a row') } @differ), '', "the hub holds what the $db sent");
	cmp_ok(scalar keys %should, '>', $rows + 15, "of $db, " . keys(%should) . ' rows');
}
my @wrong;
foreach my $r (@result{@sql})
{
	foreach my $own (keys %{ $r->{done} })
	{
		my %is = map { split /\|/, $_, 2 } split /\n/, hub("SELECT id, $own FROM item WHERE id <= $rows");
		push @wrong, map { "$own $_: $is{$_}" } grep { $is{$_} ne ($r->{last}{"$own $_"} // 'own:0') } keys %is;
	}
}
is("@wrong", '', 'the hub holds the last values that the writers committed');

# parked, remembered, pinned
is(hub("SELECT count(*) FROM item WHERE id > 1000 AND title IS NULL"), '0', 'what the PIM said of rows that were not there is in them');
cmp_ok(hub("SELECT count(*) FROM item WHERE id > 1000"), '>', 0, 'there are such rows');
is(hub("SELECT count(*) FROM item WHERE id BETWEEN 500 AND 509 AND title = 'pim:0' AND segment = 'crm:0'"), '10', 'what others had in rows that were deleted is in them again');
cmp_ok(hub("SELECT count(*) FROM item WHERE id BETWEEN 500 AND 509 AND price = 'erp back'"), '>', 0, 'there were such rows');
is(hub("SELECT count(*) FROM item WHERE id BETWEEN 600 AND 604 AND title = 'held'"), '5', 'what is pinned is held');
is(hub("SELECT count(*) FROM ownership.pin WHERE ended_at IS NULL"), '5', 'by pins that go on');

# nothing unjudged
is(hub('SELECT count(*) FROM item WHERE ' . join(' OR ', map { "$_ LIKE 'bad %'" } @own, 'price', 'title')), '0', 'no foreign value is stored');

# evidence, by value
hub('SELECT ownership.flush()');
my (%outcome, %times);
foreach (split /\n/, hub(q{SELECT c.outcome, v.value FROM ownership.conflict c, jsonb_each_text(c.proposed) v WHERE v.value LIKE 'bad %'}))
{
	my ($outcome, $value) = split /\|/;
	$outcome{$value} = $outcome;
	$times{$value}++;
}
sub first { my @list = @_; return join(', ', @list[ 0 .. min(9, $#list) ]) . (@list > 10 ? ' and ' . (@list - 10) . ' more' : '') }
is(first(grep { $times{$_} > 1 } sort keys %times), '', 'no value is in evidence twice');
my @sent = map { keys %{ $result{$_}{sent} } } 'erp', 'pim';
my @kept = map { keys %{ $_->{kept} } } @result{@sql};
is(first(grep { ($outcome{$_} // '') ne 'kept' } sort @sent), '', 'what was kept out of the feeds is in evidence: ' . @sent);
is(first(grep { ($outcome{$_} // '') ne 'kept' } sort @kept), '', 'what was kept out of SQL is, too: ' . @kept);
my %rejected = map { %{ $_->{rejected} } } @result{@sql};
my @lacking = grep { !$outcome{$_} } keys %rejected;
# what the killed server had not written yet
my $slack = 0.5;
my @ages = map { my $at = $rejected{$_}; min(grep { $_ > 0 } map { $_ - $at + 0.5 } @killed) } @lacking;
note('rejected values that are not in evidence, in seconds before the kill: ' . join(', ', map { sprintf('%.1f', $_ - 0.5) } sort { $a <=> $b } grep { defined } @ages));
my $near = sub { my ($at) = @_; return grep { $at > $_ - $interval - $slack && $at < $_ + 0.5 } @killed };
is(first(grep { !$near->($rejected{$_}) } sort @lacking), '', 'of ' . keys(%rejected) . ' rejected values, only of the last interval before a kill some are not: ' . @lacking);
is(first(grep { $outcome{$_} && $outcome{$_} ne 'rejected' } sort keys %rejected), '', 'they are in it as rejected');
my %known = (%rejected, map { $_ => 1 } @sent, @kept, map { keys %{ $_->{maybe} } } @result{@sql});
is(first(grep { !$known{$_} } sort keys %outcome), '', 'nothing else is in evidence');

# counters
my ($short, $at_most, $all) = (0, 0, 0);
foreach my $r (@result{@sql})
{
	foreach my $own (keys %{ $r->{done} })
	{
		my @times = @{ $r->{done}{$own} };
		my $system = $own =~ s/^f/w/r;
		my $counted = hub("SELECT coalesce(sum(writes), 0) FROM ownership.activity WHERE table_name = 'item' AND column_name = '$own' AND system = '$system'");
		my $allowed = grep { $near->($_) } @times;
		$short += @times - $counted;
		$at_most += $allowed;
		$all += @times;
		cmp_ok($counted, '>=', @times - $allowed, "$system: $counted of " . @times . " writes are counted, and at most $allowed were of a last interval");
		cmp_ok($counted, '<=', scalar @times, "$system: and none twice");
	}
}

# the new leader is well, and a standby answers
is(hub('SELECT relation, guarded, problems FROM ownership.guards'), 'item|t|{}', 'the table is guarded');
is(hub(q{SELECT risk, relation, detail FROM ownership.risks WHERE risk IN ('unguarded', 'broken_mirror', 'unidentified_feed', 'unknown_identity', 'map_behind')}), '', 'no such risk is open');
is(hub(q{SELECT string_agg(check_name || ': ' || problem, '; ') FROM ownership.doctor() WHERE NOT ok}), '', 'the doctor finds nothing');
is(ask($port{standbys}, 'SELECT pg_is_in_recovery()'), 't', 'HAProxy leads readers to a standby');
like(ask($port{standbys}, 'SELECT ownership.page()'), qr/<!DOCTYPE html>/i, 'page() on it');
like(ask($port{standbys}, q{SELECT event, value FROM ownership.why('item.title', '{"id": 600}')}), qr/value\|held/, 'why() on it');
my $map = 'SELECT md5(string_agg(m::text, chr(10) ORDER BY m::text)) FROM ownership.map m';
is(ask($port{standbys}, $map), hub($map), 'the map on it');

my @gaps;
# for how long no writer commits: the largest gap about a kill
my @commits = sort { $a <=> $b } map { @{ $_->{commits} } } @result{@sql};
foreach my $at (@killed)
{
	my @about = grep { $_ > $at - 1 && $_ < $at + 60 } @commits;
	push @gaps, max(map { $about[$_] - $about[ $_ - 1 ] } 1 .. $#about) if @about > 1;
}
sub span { my @s = sort { $a <=> $b } @_; return sprintf('%.1f to %.1f s, median %.1f', $s[0], $s[-1], $s[ @s / 2 ]) }
diag("$kills kills. Another node leads after " . span(@promoted) . '; SQL through the pooler is interrupted for ' . span(@gaps)
	. '; both feeds apply after ' . span(@fed) . '; three nodes run after ' . span(@whole) . '.') if @gaps && @fed;
diag("$all SQL writes, " . @kept . ' kept values of SQL and ' . @sent . " of feeds, " . keys(%rejected) . ' rejected; not in evidence: ' . @lacking
	. " rejected; not counted: $short writes of $at_most in the last interval before a kill; in doubt: " . sum0(map { $_->{lost} } @result{@sql}) . '.');

my @bad;
foreach my $node (@nodes) { push @bad, grep { /PANIC|TRAP:|\bXX\d\d\d\b|leak|was not closed|signal 11|signal 6/ } split /\n/, slurp_file("$logs/ha_$node.log") }
is(first(@bad), '', 'the logs tell of no internal error');

done_testing();
