# erase() beside others: rejected attempts that are in shared memory, a system that
# adds to what it parked, a table of evidence that is large, a dump; and what the
# server log has of sensitive fields.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '1h'\n");

sub super { return sql($node, 'postgres', $_[0]) }

# a session of a role that stays open; run(SESSION, SQL) waits for its end
sub session
{
	my $role = shift;
	my %s = (in => '', out => '');

	$s{run} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . " user=$role", '-f', '-' ], '<', \$s{in}, '>', \$s{out}, '2>&1');
	return \%s;
}

sub send_sql { my ($s, $sql) = @_; $s->{in} .= "$sql\n\\echo end\n"; $s->{run}->pump_nb while $s->{in} ne ''; return }

sub finished
{
	my $s = shift;
	my $timer = IPC::Run::timer(60);

	$timer->start;
	while ($s->{out} !~ /^end$/m) { $s->{run}->pump; die 'timeout' if $timer->is_expired }
	my $out = $s->{out};
	$s->{out} = '';
	$out =~ s/^end\n//m;
	chomp $out;
	return $out;
}

sub run { send_sql(@_); return finished($_[0]) }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE crm LOGIN; CREATE ROLE erp LOGIN;
	CREATE TABLE customer (email text PRIMARY KEY, phone text, note text, name text);
	INSERT INTO customer VALUES ('eva@x', '+1', 'vip', 'Eva');
	GRANT ALL ON customer TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('customer', '{email,phone}', 'erp', policy => 'reject'), ownership.assign('customer', '{note,name}', 'crm');
	UPDATE ownership.field SET sensitive = true WHERE name IN ('phone', 'email')});

# attempts of a session that has not handed over, and is still connected
my $crm = session('crm');
like(run($crm, q{UPDATE customer SET phone = '+49 30' WHERE email = 'eva@x';}), qr/may not write column "phone"/, 'an attempt');
run($crm, q{SELECT 1;});
is(super('SELECT count(*) FROM ownership.conflict'), 0, 'it is in no table');
# the session hands over when its next transaction ends after the interval: of a session that is
# connected nothing else is known, so it is told to
run($crm, q{SET client_min_messages = error;});
my $eraser = session('postgres');
run($eraser, q{SET ROLE crm; UPDATE customer SET phone = '+49 40' WHERE email = 'eva@x'; RESET ROLE;});
is(run($eraser, q{SET client_min_messages = error; SELECT place, count FROM ownership.erase('customer', '{"email": "eva@x"}', dry_run => false) WHERE count > 0;}),
	'conflict of customer|1', 'the session\'s own attempt is erased, which was in no table yet');
run($crm, 'SELECT ownership.flush();');
is(super(q{SELECT row_key ? 'erased', stored, proposed, resolution FROM ownership.conflict ORDER BY id}),
	qq{t|{"phone": {"erased": true}}|{"phone": {"erased": true}}|erased\nf|{"phone": {"sensitive": true}}|{"phone": {"sensitive": true}}|},
	'what another session hands over later is not');
is(super(q{SELECT place, count FROM ownership.erase('customer', '{"email": "eva@x"}', dry_run => false) WHERE count > 0}), 'conflict of customer|1', 'but the next time');

# the server log has no values of sensitive fields, not even in the key
my $log = slurp_file($node->logfile);
like($log, qr/ownership rejected UPDATE of customer by system "crm" \(role "crm"\): row \{"email": \{"sensitive": true\}\}, proposed \{"phone": \{"sensitive": true\}\}/, 'the log has none of the key');

# a system adds to what it parked while that is erased
super(q{UPDATE ownership.field SET policy = 'keep' WHERE name IN ('email', 'phone')});
run($crm, q{INSERT INTO customer (email, note) VALUES ('new@x', 'first');});
is(super(q{SELECT proposed FROM ownership.conflict WHERE outcome = 'parked' AND resolved_at IS NULL}), '{"note": "first"}', 'parked');
run($eraser, q{BEGIN; SELECT count(*) FROM ownership.erase('customer', '{"email": "new@x"}', dry_run => false);});
send_sql($crm, q{INSERT INTO customer (email, name) VALUES ('new@x', 'second');});
wait_for($node, 'postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'crm' AND wait_event_type = 'Lock')});
run($eraser, 'COMMIT;');
finished($crm);
is(super(q{SELECT proposed FROM ownership.conflict WHERE outcome = 'parked' AND resolved_at IS NULL}), '{"name": "second"}', 'what it says later waits, without what was erased');
# it is erased while a system adds to it
run($crm, q{BEGIN; INSERT INTO customer (email, note) VALUES ('new@x', 'third');});
send_sql($eraser, q{SELECT place, count FROM ownership.erase('customer', '{"email": "new@x"}', dry_run => false) WHERE count > 0;});
wait_for($node, 'postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ 'erase' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid())});
run($crm, 'COMMIT;');
is(finished($eraser), 'waiting of customer|1', 'erased when the other transaction ends');
is(super(q{SELECT DISTINCT proposed FROM ownership.conflict WHERE outcome = 'parked'}),
	qq({"note": {"erased": true}}\n{"name": {"erased": true}, "note": {"erased": true}}), 'with what that has added');
psql_as($node, 'postgres', 'erp', q{INSERT INTO customer (email) VALUES ('new@x')});
is(super(q{SELECT note IS NULL, name IS NULL FROM customer WHERE email = 'new@x'}), 't|t', 'none of it is applied');

# of much evidence, only the row's is read
super(q{
	INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
	SELECT 'public', 'customer', jsonb_build_object('email', i || '@x'), 'UPDATE', 'crm', 'kept', '{phone}', '{"phone": "1"}', '{"phone": "2"}'
	FROM generate_series(1, 100000) i;
	INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
	SELECT 'public', 'customer', '{"email": "eva@x"}', 'UPDATE', 'crm', 'kept', '{phone}', '{"phone": "1"}', '{"phone": "2"}'
	FROM generate_series(1, 10) i;
	ANALYZE ownership.conflict});
my $scans = q{SELECT sum(seq_tup_read) FROM pg_stat_all_tables WHERE relid = 'ownership.conflict'::regclass};
run($eraser, 'SELECT pg_stat_force_next_flush();');
super('SELECT 1');
my $before = super($scans);
is(run($eraser, q{SELECT place, count FROM ownership.erase('customer', '{"email": "eva@x"}', dry_run => false) WHERE count > 0;}), 'conflict of customer|10', 'ten of a hundred thousand');
run($eraser, 'SELECT pg_stat_force_next_flush();');
is(super($scans) - $before, 0, 'by index');

# a dump has it as it is
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
unlike(slurp_file($dump), qr/eva\@x.*\+49|second|third/, 'the dump has none of the values');
super('CREATE DATABASE again');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('again') ], 'restored');
my $state = q{SELECT md5(string_agg(c::text, ';' ORDER BY id)), count(*) FROM ownership.conflict c};
is(sql($node, 'again', $state), super($state), 'the evidence is the same');
is(sql($node, 'again', q{SELECT count(*) FROM ownership.waiting}), 0, 'nothing of it waits');
is(sql($node, 'again', q{SELECT ownership.prune('0', '{parked}') > 0}), 't', 'prune takes it');
$_->{run}->kill_kill foreach $crm, $eraser;
done_testing();
