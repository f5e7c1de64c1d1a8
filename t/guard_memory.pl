# A backend that runs out of memory anywhere in a guarded statement fails that
# statement, and nothing else: no foreign value is stored, and the session goes
# on as ever when there is memory again.  The limit is one of the operating
# system's on the process, a little more each time, and values are large, so
# that it strikes here while a row is made, there while it is judged, kept out
# or put into evidence.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'no prlimit to limit a process with')
  if !-d '/proc/self' || system('prlimit --version >/dev/null 2>&1') != 0;

my $node = new_node('node', preload => 1, activity => 1);

sub super { return sql($node, 'postgres', $_[0]) }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE crm_app LOGIN;
	CREATE TABLE item (id int PRIMARY KEY, price numeric, doc text DEFAULT 'd', seen text DEFAULT 's', own int DEFAULT 0);
	INSERT INTO item SELECT i, 1 FROM generate_series(1, 50) i;
	GRANT ALL ON item TO crm_app;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('crm', 'crm', role => 'crm_app');
	SELECT ownership.assign('item', '{price}', 'erp');
	SELECT ownership.assign('item', '{doc}', 'erp', policy => 'keep');
	SELECT ownership.assign('item', '{seen}', 'erp', policy => 'observe');
	SELECT ownership.assign('item', '{id,own}', 'crm');
	SELECT ownership.assign_rows('item', '{seen}', 'crm', 'own < 0 AND length(doc) > 5');
	-- a stack that has grown does not grow under the limit, where it could not
	CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN RETURN CASE WHEN n = 0 THEN 0 ELSE 1 + deep(n - 1) END; END$$});

# limit(PID, BYTES)   what it may have beyond what it has; undef: as much as it likes
sub limit
{
	my ($pid, $bytes) = @_;
	my $most = 'unlimited';

	if (defined $bytes)
	{
		my ($size) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+) kB/m;
		$most = $size * 1024 + $bytes;
	}
	return system('prlimit', "--pid=$pid", "--as=$most:") == 0;
}

my ($failed, $done) = (0, 0);
foreach my $step (0 .. 30)
{
	my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'crm_app', '-v', 'VERBOSITY=verbose' ]);
	my $pid = $session->query_safe('SET client_min_messages = warning; SELECT pg_backend_pid() FROM deep(300)');
	my $id = $step + 1;

	ok(limit($pid, $step * 1024 * 1024), "$step: the session is limited") or next;
	$session->query(qq{UPDATE item SET doc = repeat('x', 4000000), own = own + 1 WHERE id = $id});
	$session->query(qq{UPDATE item SET seen = seen || repeat('y', 3000000) WHERE id = $id});
	$session->query(q{INSERT INTO item (id, doc, own) SELECT 1000 + i, repeat('z', 2000000), i FROM generate_series(1, 3) i RETURNING 1 / 0});
	$session->query(qq{UPDATE item SET price = 666 WHERE id = $id});
	my $said = $session->{stderr};
	$session->{stderr} = '';
	ok(limit($pid, undef), "$step: and is not any more");
	$failed += () = $said =~ /53200/g;
	unlike($said, qr/server closed|ERROR:  (?!53200|42501|22012)/, "$step: it failed for lack of memory, if it did");

	# what was done, and only that, is there and in evidence
	my $stored = $session->query_safe("SELECT own, doc, seen LIKE '%y%', price FROM item WHERE id = $id");
	like($stored, qr/^[01]\|d\|[tf]\|1$/, "$step: nothing foreign is stored");
	my ($own, undef, $seen) = split(/\|/, $stored);
	is(super("SELECT count(*) FILTER (WHERE outcome = 'kept'), count(*) FILTER (WHERE outcome = 'observed') FROM ownership.conflict WHERE row_key = '{\"id\": $id}'"),
		$own . '|' . ($seen eq 't' ? 1 : 0), "$step: evidence is there with what was done");
	$done += $own;

	# the session as ever
	$session->query("UPDATE item SET price = 666 WHERE id = $id");
	like($session->{stderr}, qr/42501.*"price"/, "$step: what is rejected is rejected");
	$session->{stderr} = '';
	is($session->query_safe("UPDATE item SET doc = 'mine', own = 7 WHERE id = $id RETURNING doc, own"), 'd|7', "$step: what is kept is kept");
	is($session->query_safe("UPDATE item SET own = 8 WHERE id = $id RETURNING own"), '8', "$step: what is the writer's own is written");
	$session->{stderr} = '';
	$session->quit;
}
cmp_ok($failed, '>', 5, 'memory was lacking');
cmp_ok($done, '>', 0, 'and sufficed in the end');
is(super("SELECT count(*) FROM item WHERE price <> 1 OR doc <> 'd'"), '0', 'no foreign value is stored');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process ended');

$node->stop;
done_testing();
