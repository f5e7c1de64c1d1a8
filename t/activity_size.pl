# Shared memory holds what whole schemas of columns are read: sessions that read every
# column of thousands lose nothing while the worker cannot write, columns are told
# apart all the same, and counts are exact where counters are shared.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '100ms'\n");

sub super { return sql($node, 'postgres', $_[0]) }
sub fact { return super("SELECT value FROM ownership.status WHERE fact = '$_[0]'") }
sub in_use { return super(q{SELECT split_part(note, ' ', 1) FROM ownership.status WHERE fact = 'activity_size'}) }

# while it is locked, the worker can write no counts
my $lock;
sub lock_activity
{
	$lock = $node->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK TABLE ownership.activity IN ACCESS EXCLUSIVE MODE');
	return;
}

sub unlock_activity
{
	$lock->query_safe('COMMIT');
	$lock->quit;
	return;
}

#
# Seven readers, each with one round over 3,772 columns in 169 tables, with the default size
#
my @readers = map { "bi$_" } 1 .. 7;
my @tables = map { "t$_" } 1 .. 169;
super(join ";\n", 'CREATE EXTENSION ownership', 'CREATE SCHEMA land',
	(map { my $n = $_ eq 't169' ? 76 : 22; "CREATE TABLE land.$_ (" . join(', ', map { "c$_ int" } 1 .. $n) . ')' } @tables),
	(map { "CREATE ROLE $_ LOGIN; SELECT ownership.add_system('$_', 'bi', role => '$_')" } @readers),
	"SELECT ownership.add_tables('land.*')",
	'GRANT USAGE ON SCHEMA land TO PUBLIC; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA land TO PUBLIC');
is(super('SELECT count(*), count(DISTINCT relation) FROM ownership.map'), '3772|169', 'the map');
is(fact('activity_size'), '16384', 'the default size');

lock_activity();
foreach my $reader (@readers)
{
	# only the first leaves out columns, in one table in the middle
	psql_as($node, 'postgres', $reader, join ";\n", map { $reader eq 'bi1' && $_ eq 't100' ? 'SELECT c1, c3 FROM land.t100' : "SELECT * FROM land.$_" } @tables);
}
# they hand over as they end, which may be after their clients have
wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE usename ~ '^bi' AND backend_type = 'client backend'});
cmp_ok(in_use(), '>', 8192, 'more than half of it is in use');
cmp_ok(in_use(), '<', 16384, 'but not all');
cmp_ok(fact('folded'), '>', 3772, 'status says that columns share counters');
unlock_activity();
super('SELECT ownership.flush()');
is(fact('dropped_counts'), '0', 'no count is dropped');
is(super(q{SELECT risk FROM ownership.risks WHERE risk = 'unrecorded'}), '', 'nor is there a risk that says so');
is(super(q{SELECT count(*), sum(reads), max(reads), sum(writes) FROM ownership.activity}), (7 * 3772 - 20) . '|' . (7 * 3772 - 20) . '|1|0', 'each reader and column has its read');
is(super(q{SELECT seen_readers, count(*) FROM ownership.map GROUP BY 1 ORDER BY 2}), "{bi2,bi3,bi4,bi5,bi6,bi7}|20\n{bi1,bi2,bi3,bi4,bi5,bi6,bi7}|3752", 'seen readers are right for each column');
is(super(q{SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM ownership.map WHERE relation = 'land.t100' AND 'bi1' = ANY (seen_readers)}), 'c1 c3', 'of the table of which not all was read, too');
is(super(q{SELECT count(*) FROM ownership.activity WHERE first_seen IS NULL OR last_read < first_seen OR last_write IS NOT NULL}), '0', 'with times');
is(in_use(), '0', 'what is written leaves shared memory');

#
# The smallest size, and statements that name any columns: counts are exact
#
$node->append_conf('postgresql.conf', "ownership.activity_size = 1\nownership.flush_interval = '10ms'\n");
$node->restart;
super('TRUNCATE ownership.activity');
my $seed = $ENV{OWNERSHIP_FUZZ_SEED} // time();
srand $seed;
diag("seed $seed");

my @few = @tables[0 .. 4, 168];
my %expected;
super(join ";\n", 'SET ownership.enforcement = off', map { "INSERT INTO land.$_ DEFAULT VALUES" } @few);
my %sessions = map { $_ => $node->background_psql('postgres', extra_params => [ '-U', s/_.*//r ]) } map { ("${_}_1", "${_}_2") } @readers[0 .. 2];
lock_activity();
foreach my $i (1 .. 400)
{
	my $session = (sort keys %sessions)[ int rand keys %sessions ];
	my $table = $few[ int rand @few ];
	my $share = (1, 0.5, 0.1)[ int rand 3 ];
	my @columns = grep { rand() < $share } map { "c$_" } 1 .. ($table eq 't169' ? 76 : 22);
	next if !@columns;
	my $writes = rand() < 0.3;
	$sessions{$session}->query_safe($writes ? "UPDATE land.$table SET " . join(', ', map { "$_ = $i" } @columns)
		: 'SELECT ' . join(', ', @columns) . " FROM land.$table");
	$expected{"$table.$_ " . $session =~ s/_.*//r}[$writes]++ foreach @columns;
}
my $folded = fact('folded');
cmp_ok(in_use(), '>', 128, 'more than half is in use');
unlock_activity();
# what found no room waits in the sessions
foreach my $session (values %sessions)
{
	$session->query_safe('SELECT ownership.flush()');
	$session->quit;
}
cmp_ok($folded, '>', 0, 'columns share counters');
is(fact('dropped_counts'), '0', 'no count is dropped');
my %counted = map { /^(\S+ \S+) (\d+) (\d+)$/ ? ($1 => "$2 $3") : () } split /\n/,
	super(q{SELECT table_name || '.' || column_name || ' ' || system || ' ' || reads || ' ' || writes FROM ownership.activity});
my %all = (%expected, %counted);
is(join("\n", map { my $e = ($expected{$_}[0] // 0) . ' ' . ($expected{$_}[1] // 0); ($counted{$_} // '') eq $e ? () : "$_: " . ($counted{$_} // 'nothing') . " for $e" } sort keys %all),
	'', 'reads and writes of each column and system');

$node->stop;
done_testing();
