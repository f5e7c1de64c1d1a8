# Random statements against an independent model of the contract (t/lib/Oracle.pm).
#
# OWNERSHIP_FUZZ_SECONDS, OWNERSHIP_FUZZ_SEED and OWNERSHIP_FUZZ_KIND: "make
# fuzz" sets them.
use strict;
use warnings;

use Ownership;
use Oracle;
use Oracle::Concurrent;
use Oracle::Replicated;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{OWNERSHIP_FUZZ_SECONDS};
my $seed = $ENV{OWNERSHIP_FUZZ_SEED} // 1;
# for how long a smaller script is looked for
my $shrink = $ENV{OWNERSHIP_FUZZ_SHRINK} // 300;
# most rounds are of one session: they take the least time
my @kinds = (('Oracle::Round') x 3, 'Oracle::Concurrent', 'Oracle::Replicated');
@kinds = ("Oracle::$ENV{OWNERSHIP_FUZZ_KIND}") if $ENV{OWNERSHIP_FUZZ_KIND};
my $statements = 0;

# amounts of money that look otherwise; where localedef has what it needs
my $locales = "$PostgreSQL::Test::Utils::tmp_check/locales";
mkdir $locales;
if (grep { -x "$_/localedef" } split(/:/, $ENV{PATH}))
{
	# one whose amounts have as many digits: they are stored so.  It says by 1 that it warned.
	system_log('localedef', '-i', 'de_DE', '-f', 'UTF-8', "$locales/de_DE.UTF-8");
	push @Oracle::monetary, grep { -d "$locales/$_" } 'de_DE.UTF-8';
}
$ENV{LOCPATH} = $locales if @Oracle::monetary > 1;
diag('no locales by which money looks otherwise: these were not tried') if @Oracle::monetary == 1;
my $rounds = 0;

# the prefix tells errors of replication workers, which no client sees
my $node = new_node('oracle', preload => 1, extra => <<'END');
log_line_prefix = '%b|%d|%e|'
wal_retrieve_retry_interval = '10ms'
END
sql($node, 'postgres', $_) for Oracle::roles();
my $end = time() + ($seconds // 0);

# what make check runs is always the same; a campaign takes its time
while (defined $seconds ? time() < $end : $rounds < 25)
{
	my $round = $kinds[ ($seed + $rounds) % @kinds ]->new($seed + $rounds);
	my $diff = $round->run($node);

	$rounds++;
	$statements += $round->size;
	next if !defined $diff;
	my $seed = $round->{seed};
	fail("seed $seed");
	diag("OWNERSHIP_FUZZ_SEED=$seed: $diff");
	diag($round->smallest($node, $shrink)) if $shrink;
	last;
}
cmp_ok($rounds, '>', 0, 'there were rounds');
note("$statements statements in $rounds rounds, from seed $seed");
diag("$statements statements in $rounds rounds, from seed $seed") if defined $seconds;
done_testing();
